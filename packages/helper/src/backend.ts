/**
 * The privileged verbs, and what each promises, on every platform. A backend moves octets and asks the kernel; it
 * knows Ethernet headers, EtherTypes and the names in its policy, and nothing of PPP or PPPoE tags.
 *
 * Every verb is synchronous and never waits on the network. A verb that throws `BackendError` has changed nothing, unless
 * its comment lists what it leaves. Verbs are idempotent, because the supervisor repeats them after a restart.
 */
import type { Announced } from './announce.ts';
import type { Libc } from './libc.ts';
import type { Loop } from './loop.ts';
import type { HelperPolicy, SessionPolicy } from './policy.ts';

export type Role = 'INIT' | 'BACKUP' | 'MASTER';

/** SESSION_ID 1 … 0xfffe and the AC's unicast MAC, checked before a backend sees them. */
export interface Key {
  readonly sessionId: number;
  readonly acMac: Uint8Array;
}

/** Both ends of the link, or neither: the session may be without IPv4. */
type Ends =
  | { readonly ourAddress: Uint8Array; readonly theirAddress: Uint8Array }
  | { readonly ourAddress: null; readonly theirAddress: null };

/** The settings of the session's interface. */
export type SessionSettings = Ends & {
  readonly mtu: number;
  readonly interfaceIds: { readonly ours: Uint8Array; readonly theirs: Uint8Array } | null;
};

export type Settings = SessionSettings & { readonly up: boolean };

/** Where a default route leads. */
export type Via = 'session' | 'partner' | 'none';

export interface Edge {
  readonly session: string;
  readonly role: Role;
}

/** An IPv6 address for any interface. Lifetimes are seconds; 0xffffffff is for ever. */
export interface Address6 {
  readonly interface: string;
  readonly address: Uint8Array;
  /** Bits of its prefix: 64 on a LAN, 128 on the session's interface. */
  readonly bits: number;
  readonly preferred: number;
  readonly valid: number;
}

/** A whole delegated prefix. */
export interface Aggregate {
  readonly prefix: Uint8Array;
  readonly length: number;
}

export interface Counters {
  readonly octetsIn: number;
  readonly octetsOut: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
}

/** The kernel's state of a session. */
export interface KernelState {
  readonly role: Role;
  readonly carrier: boolean;
  readonly attached: Key | null;
  readonly gateOpen: boolean;
  readonly demoted: boolean;
}

/** A backend's notices to `sessions.ts`. It calls them from `Loop` callbacks, never from within a verb. */
export interface BackendEvents {
  /** `payload` begins after the Ethernet header, padding included. Only frames to the session's MAC, or broadcast. */
  discoveryFrame(session: string, source: Uint8Array, payload: Uint8Array): void;
  /** `packet` begins after PPP's Protocol field. Never a data protocol (IPv4, IPv6). */
  pppFrame(session: string, protocol: number, packet: Uint8Array): void;
  /**
   * Roles may have changed: `sessions.ts` compares, applies the interlock and notifies the supervisor. One call has all
   * the changes of one poll, so that every gate moves before anything else does.
   */
  roles(edges: readonly Edge[]): void;
  carrier(session: string, up: boolean): void;
  ownMacHeard(session: string, announced: Announced): void;
  sessionClosed(session: string): void;
  dropped(session: string, frames: number): void;
}

/**
 * Keeps the descriptors that hold a session while no helper runs, for the next helper. Whatever ends with the process needs
 * it; a session on FreeBSD does not.
 */
export interface Keeper {
  /** The descriptors that the last helper left, by session. The backend owns them, and empties the map. */
  readonly found: Map<string, readonly number[]>;
  /** False if the keeper has no room at the moment. */
  keep(session: string, descriptors: readonly number[]): boolean;
  forget(session: string): void;
}

/** A backend's surroundings. `log` takes one line, without the program's name. */
export interface BackendContext {
  readonly libc: Libc;
  readonly loop: Loop;
  readonly policy: HelperPolicy;
  readonly events: BackendEvents;
  readonly log: (line: string) => void;
  /** Absent where nothing keeps descriptors. */
  readonly keeper?: Keeper | undefined;
}

export type MakeBackend = (context: BackendContext) => Backend;

export interface Backend {
  readonly platform: 'linux' | 'freebsd';
  /**
   * Build what the session needs, or adopt what an earlier helper left. Gate closed unless adopted open and MASTER. A
   * session that has been started already stays as it is.
   */
  start(session: SessionPolicy): SessionVerbs;
  /** Add an IPv6 address to an interface, or change its lifetimes. ENXIO: there is no such interface. */
  setAddress6(address: Address6): void;
  /** No effect if the address or the interface does not exist. */
  removeAddress6(interfaceName: string, address: Uint8Array, bits: number): void;
  /** Drop packets to the prefix, unless a more specific route forwards them. Idempotent. */
  setUnreachable6(aggregate: Aggregate, fib: number, on: boolean): void;
  /**
   * Remove `amount`, which an earlier helper set for a session that is no longer configured, if the kernel's sum can
   * contain it beside the adopted demotions. Absent where `adoptDemotion` is.
   */
  returnDemotion?(amount: number): void;
  /** Leave every session for the next helper to adopt; release only what ends with the process anyway. */
  leave(): void;
  /** Remove everything this program ever built, for an administrator's stop: no PADT, no leftovers. */
  remove(): void;
}

/** The verbs of one session that has been started. */
export interface SessionVerbs {
  /** Reads the kernel's state. */
  inspect(): KernelState;
  /** The part of that state that this process knows without a kernel call. */
  readonly attached: Key | null;
  readonly gateOpen: boolean;
  /** @param payload  at most 1500 octets: a longer one does not decode */
  sendDiscovery(destination: Uint8Array, payload: Uint8Array): void;
  /** Join the session, gate closed. Detaches a different session first; keeps the same session as it is. */
  attach(key: Key, maxPayload: number): void;
  /** One kernel call where the kernel allows it. Open without an attached session: ENOTCONN. */
  gate(open: boolean): void;
  /** Gate closed or nothing attached: ENETDOWN, and nothing leaves. */
  sendPpp(protocol: number, packet: Uint8Array): void;
  configure(settings: Settings): void;
  /**
   * As `configure` with `up`, in the fewest kernel calls: if this process has configured the same settings before, it
   * sets only the interface's flag.
   */
  raise(settings: SessionSettings): void;
  deconfigure(): void;
  route(via: Via): void;
  announce(announced: Announced): void;
  /** Without a PADT on the wire. Nothing attached: no effect. */
  detach(): void;
  /** Called only for a change: `demotion.ts` remembers the demotion in force, across restarts too. */
  demote(on: boolean): void;
  /**
   * Adopt the demotion of this amount that an earlier helper set for the session in this boot. Returns false if the
   * kernel's sum is too small to contain it. Absent where `inspect` can read our own demotion.
   */
  adoptDemotion?(amount: number): boolean;
  counters(): Counters;
  /** Make this router MASTER of the session's vhid. Absent where another program decides the role. */
  claim?(): void;
}
