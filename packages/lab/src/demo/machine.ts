/**
 * One router as a machine: its power, its two cables, its kernel, and the socket at which its helper finds that kernel.
 * What kernel it is, is up to whoever implements it.
 */
import type { CarpRole } from '../line/carp.ts';
import type { RouterName } from './bus.ts';
import type { Queue } from './clock.ts';

/** What a machine that is on does, as it happens. */
export interface MachineNews {
  /** A frame left it for the line. */
  transmit(frame: Uint8Array): void;
  gate(open: boolean): void;
  /** A packet that it forwards to the other router. */
  toPartner(packet: Uint8Array): void;
  attached(sessionId: number): void;
  /** The sum of what demotes it now. */
  demotion(amount: number): void;
}

export interface MachineOptions {
  readonly router: RouterName;
  /** The world's: what happens in a machine has its consequences after it, not in its midst. */
  readonly queue: Queue;
  readonly news: MachineNews;
}

export interface Machine {
  /** Boot a fresh kernel that lets its helper in at `path` and is demoted by `demotion`. */
  powerOn(path: string, demotion: number): Promise<void>;
  /** The demotion of the boot is taken back. */
  booted(): void;
  /** At once, everything in it gone; resolves when its socket is. */
  powerOff(): Promise<void>;
  /** What the line brings. */
  frame(frame: Uint8Array): void;
  /** An IPv4 packet that reaches it for somebody else: from the LAN, or from the other router. */
  lan(packet: Uint8Array): void;
  /** What CARP on the LAN makes of it. */
  role(role: CarpRole): void;
  /** Traffic of the session may pass to the line and back. */
  readonly isOpen: boolean;
  /** SESSION_ID of the attached session. */
  readonly attached: number | undefined;
  /** The session's interface has its addresses and is up. */
  readonly isUp: boolean;
}
