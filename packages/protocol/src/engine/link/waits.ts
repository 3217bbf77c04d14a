/** The waits of a link: for each, its name, the meaning of its end, and its span. The machine that waits adds chance. */
import { millis, seconds } from '../../time.ts';
import type { Timers } from '../timers.ts';

export const LINK_WAITS = {
  /** The next dial may begin. Doubles with each failure; `redial.ts` counts them. */
  'back-off': { first: seconds(1), longest: seconds(300) },
  /** No acceptable PADO has come: send the next PADI. Doubles. Some ACs accept no more than one a second from a Host. */
  PADI: { first: seconds(1), longest: seconds(64) },
  /** No PADS has come: send the next PADR, or ask another AC. Doubles; longer on a line whose PADO took long. */
  PADR: { first: seconds(1) },
  /** Only ACs that failed recently have offered: take the best of them. */
  offers: millis(500),
  /** The kernel closed the session, and no PADT has come that would explain it: join the session again. */
  reattach: millis(500),
} as const;

export type LinkTimers = Timers<keyof typeof LINK_WAITS>;
