/** The channel to the other router as main and a session use it, whichever protocol it speaks. It sends nothing itself. */
import type { PartnerMessage } from '@ppp-thing/protocol/session';

export interface PartnerCounters {
  readonly datagramsIn: number;
  readonly datagramsOut: number;
  readonly datagramsRefused: Readonly<Record<string, number>>;
}

export interface PartnerChannel {
  /** Send once to the partner. Never throws: to the engine an unreachable partner is a silent one. */
  tell(session: string, message: PartnerMessage): void;
  counters(session: string): PartnerCounters;
  /** Datagrams that belong to no known session, by reason. */
  refused(): Readonly<Record<string, number>>;
  /** The proof for our announce frame at `epoch`; zeros if there is none. */
  proof(session: string, epoch: number): Uint8Array;
  /** Whether the partner sent the announce frame, and it was not accepted before. */
  believes(session: string, epoch: number, proof: Uint8Array): boolean;
  /** Keys of the session's configuration that differ from the partner's; undefined if unknown. */
  differs(session: string): readonly string[] | undefined;
  /** Milliseconds that the partner's clock is ahead of ours; undefined while the partner is silent, or does not say. */
  clockOffset(): number | undefined;
  /** Why the channel does not work; undefined while it does. */
  trouble(): string | undefined;
  close(): void;
}
