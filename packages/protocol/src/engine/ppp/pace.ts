/**
 * When a Configure-Request that has not been answered is sent again. It counts nothing and sends nothing.
 *
 * Theory of operation. A request that reaches a peer which is already Opened begins the whole negotiation again
 * (RFC 1661 §4.3), so a copy of ours may never arrive after the peer has opened. The peer opens when it has our
 * Configure-Ack, and the line keeps the order of frames. So copies that leave before our Ack do no harm however early
 * they are; they serve an AC whose PPP begins to listen only a while after its PADS. Copies that leave after our Ack must
 * wait until an answer would surely have come: the RFC's three seconds, or more where the round trip is longer.
 */
import { millis, type Millis } from '../../time.ts';

/** Restart timer: the RFC's default (§4.6), and what a Zero-Restart-Count waits. */
export const RESTART_PERIOD = millis(3000);
/**
 * The first repetition before our Ack, and the next after twice the span, up to RESTART_PERIOD. The usual loss is an AC
 * whose PPP does not listen yet, and waiting three seconds for that would be most of the time a dial takes.
 */
export const FIRST_RESTART = millis(300);
/** A span is this much longer than the round trip, because no two round trips are alike. */
const MARGIN = 1.5;

export class Pace {
  #roundTrip: Millis | undefined;

  /** The longest round trip seen on this session; undefined while there was none. */
  get roundTrip(): Millis | undefined {
    return this.#roundTrip;
  }

  /** A request that was sent once was answered after `span`, the peer's own time included. */
  measured(span: Millis): void {
    this.#roundTrip = millis(Math.max(span, this.#roundTrip ?? 0));
  }

  /**
   * How long to wait for an answer.
   *
   * @param isEarly the peer cannot be Opened: we have not acknowledged its request
   * @param sent transmissions of the negotiation so far, this one not counted
   */
  span(isEarly: boolean, sent: number): Millis {
    const least = (this.#roundTrip ?? 0) * MARGIN;
    const longest = Math.max(RESTART_PERIOD, least);
    if (!isEarly) return millis(longest);
    return millis(Math.min(longest, Math.max(FIRST_RESTART, least) * 2 ** Math.min(sent, 8)));
  }
}
