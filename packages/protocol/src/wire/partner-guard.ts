/**
 * Whether an authentic datagram of the partner is news: it stops replay, reflection and what was meant for another, as
 * a pure machine over headers. It checks no HMAC and reads no body.
 *
 * Theory of operation. Each router chooses a nonce when it starts and counts its datagrams under it. To be believed, a
 * datagram must echo the receiver's own nonce, so it was written after the receiver started; and its counter must be
 * above every counter believed under the sender's nonce, so it is believed once. A nonce that gave way to another is
 * retired and never believed again, or datagrams of the partner's previous life, which echo the same nonce of ours,
 * could be played back. What may not happen: one datagram believed twice, or one believed out of its order.
 */
import { sameOctets } from '../bytes.ts';
import type { RouterId } from '../session.ts';
import { NO_NONCE, NONCE_LENGTH, type PartnerHeader } from './partner.ts';

export type Verdict =
  /** Believe it. */
  | 'fresh'
  /** The partner does not know our nonce. Believe nothing, but answer at once, echoing its nonce. */
  | 'hello'
  /** Older than one already believed: overtaken on the way, or played back. */
  | 'stale'
  /** Heard before, or from a life of the partner that is over. */
  | 'replayed'
  /** Our own datagram, sent back to us. */
  | 'reflected'
  /** From or to a router that is not of this pair. */
  | 'not-for-us';

/** One for each session and partner. Plain data; it need not survive a restart, since a restart brings a new nonce. */
export interface GuardState {
  readonly us: RouterId;
  readonly partner: RouterId;
  /** Our nonce: 8 octets, not zero. */
  readonly nonce: Uint8Array;
  /** The partner's nonce, once it has echoed ours, and the highest counter seen under it. */
  readonly heard: { readonly nonce: Uint8Array; readonly counter: bigint } | null;
  /** The partner's nonces of the past, while our nonce has been the same; at most MAX_RETIRED. */
  readonly retired: readonly Uint8Array[];
}

/** Lives of the partner that one nonce of ours can outlast. */
export const MAX_RETIRED = 64;

export type GuardHeader = Pick<PartnerHeader, 'sender' | 'receiver' | 'nonce' | 'counter' | 'echo'>;

/** @param nonce 8 octets nobody can predict */
export function newGuard(us: RouterId, partner: RouterId, nonce: Uint8Array): GuardState {
  if (us === partner) throw new RangeError(`router ${us} cannot be its own partner`);
  return { us, partner, nonce: usable(nonce), heard: null, retired: [] };
}

/**
 * Choose a nonce anew, which nothing recorded so far can echo. Do it once whenever the partner falls silent, so that no
 * sequence of events can lock it out for good, and when `isExhausted`. Counting may go on or begin again.
 */
export function renew(state: GuardState, nonce: Uint8Array): GuardState {
  return { ...state, nonce: usable(nonce), retired: [] };
}

/** The partner has started so often that it is no longer believed: `renew`. */
export const isExhausted = (state: GuardState): boolean => state.retired.length >= MAX_RETIRED;

/** What our own datagrams echo; but the answer to a `hello` echoes the nonce of that hello. */
export const echoOf = (state: GuardState): Uint8Array => state.heard?.nonce ?? NO_NONCE;

/** The verdict on a datagram whose HMAC was good, and the state after it. Pure and total. */
export function accept(
  state: GuardState,
  header: GuardHeader,
): { verdict: Verdict; state: GuardState } {
  const { us, partner, heard, retired } = state;
  const { nonce, counter } = header;
  if (sameOctets(nonce, state.nonce) || (header.sender === us && header.receiver === partner)) {
    return { verdict: 'reflected', state };
  }
  if (header.sender !== partner || header.receiver !== us) return { verdict: 'not-for-us', state };
  if (retired.some((old) => sameOctets(old, nonce))) return { verdict: 'replayed', state };
  const known = heard !== null && sameOctets(heard.nonce, nonce);
  if (known && counter === heard.counter) return { verdict: 'replayed', state };
  if (known && counter < heard.counter) return { verdict: 'stale', state };
  const next = known ? { ...state, heard: { nonce, counter } } : state;
  if (!sameOctets(header.echo, state.nonce)) return { verdict: 'hello', state: next };
  if (known) return { verdict: 'fresh', state: next };
  if (isExhausted(state)) return { verdict: 'hello', state };
  return {
    verdict: 'fresh',
    state: {
      ...state,
      heard: { nonce, counter },
      retired: heard === null ? retired : [...retired, heard.nonce],
    },
  };
}

function usable(nonce: Uint8Array): Uint8Array {
  if (nonce.length !== NONCE_LENGTH || sameOctets(nonce, NO_NONCE)) {
    throw new RangeError(`a nonce is ${NONCE_LENGTH} octets that are not all zero`);
  }
  return nonce;
}
