/** The waits of PPP: for each, its name, the meaning of its end, and its span. There is no clock here. */
import { millis, seconds, type Millis } from '../../time.ts';
import type { LinkConfig } from '../session-config.ts';
import type { Timers } from '../timers.ts';
import type { RestartTimer } from './restart-timer.ts';

type Echo = LinkConfig['echo'];

/** The protocols that have an automaton. */
export type Layer = 'lcp' | 'ipcp' | 'ipv6cp';

/** The Restart timer (RFC 1661 §4.6): nothing has answered our request, so it is sent again, or given up. */
const restart = (restartTimer: RestartTimer, isEarly: boolean, sent: number): Millis =>
  restartTimer.span(isEarly, sent);
/** The peer has asked and not answered: its answer may be right behind, so it gets ours this much later. */
const held = millis(10);

export const PPP_WAITS = {
  /** LCP, authentication or the NCPs have had several times what their retransmissions take to succeed. */
  phase: seconds(30),
  /** All of them together have had their time, however often the AC starts again. */
  opening: seconds(90),
  /** IPV6CP is Opened. An AC that has both opens IPCP within a round trip: go on without IPv4. */
  ipcp: seconds(5),
  'lcp-restart': restart,
  'ipcp-restart': restart,
  'ipv6cp-restart': restart,
  'lcp-held': held,
  'ipcp-held': held,
  'ipv6cp-held': held,
  /** No verdict has come: send the Authenticate-Request or Response again. A slow RADIUS server needs seconds. */
  auth: seconds(3),
  /** The next Echo-Request is due, or the kernel's count of octets before it. */
  echo: ({ interval }: Echo): Millis => interval,
  /** The same while the session is unproven: just resumed, or silent. */
  probe: ({ probeInterval }: Echo): Millis => probeInterval,
  /** A full-size Echo-Request is unanswered: send the next one, or give the larger payload up. */
  size: ({ probeInterval }: Echo): Millis => probeInterval,
} as const;

export type PppTimers = Timers<keyof typeof PPP_WAITS>;
