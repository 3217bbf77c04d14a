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
 * Before our Ack: the spans to the first copies, each from the one before. The usual loss is an AC whose PPP does not
 * listen yet. A first copy at 450 ms meets most of these. The next leave with those of a peer that repeats each second,
 * so that an AC that listens later is met as early, and with one copy more at most. A slow line has no first copy.
 */
const FIRST_SPANS = [450, 550, 1000, 1000] as const;
const SLOW_LINE_SPANS = [1000, 1000, 1000] as const;
/** A span is this much longer than the round trip, because no two round trips are alike. */
const MARGIN = 1.5;

export class RestartTimer {
  /** The longest seen on this session; undefined while there was none. */
  #roundTrip: Millis | undefined;
  /** The packet being handled arrived before our last one had left. */
  crossed = false;

  /** A request that was sent once was answered after `span`, the peer's own time included. */
  measured(span: Millis): void {
    this.#roundTrip = millis(Math.max(span, this.#roundTrip ?? 0));
  }

  /** Whether an answer to a request of this age would have come by now, if the peer had received the request. */
  isOverdue(age: number): boolean {
    return !this.crossed && this.#roundTrip !== undefined && age > this.#roundTrip;
  }

  /**
   * How long to wait for an answer.
   *
   * @param isEarly the peer cannot be Opened: we have not acknowledged its request
   * @param sent transmissions of the negotiation so far, this one not counted
   */
  span(isEarly: boolean, sent: number): Millis {
    const least = (this.#roundTrip ?? 0) * MARGIN;
    const spans = least > FIRST_SPANS[0] ? SLOW_LINE_SPANS : FIRST_SPANS;
    const usual = (isEarly ? spans[sent] : undefined) ?? RESTART_PERIOD;
    return millis(Math.max(usual, least));
  }
}
