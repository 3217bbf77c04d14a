/**
 * Decides whether an authentic datagram is new. It stops replayed and reflected datagrams, and those for another
 * router, as a pure machine over headers. It checks no HMAC and reads no body.
 *
 * Theory of operation. Each router chooses a nonce when it starts and counts its datagrams under it. An accepted
 * datagram echoes the receiver's own nonce, so it was written after the receiver started. Its counter is above every
 * counter accepted under the sender's nonce, so it is accepted once. When the partner changes its nonce, the old one is
 * retired and never accepted again. Otherwise an attacker could replay datagrams from before the partner's restart,
 * which echo the same nonce of ours. The machine must never accept one datagram twice, or one out of order.
 */
import { sameOctets } from '../bytes.ts';
import type { RouterId } from '../session.ts';
import { NO_NONCE, NONCE_LENGTH, type PartnerHeader } from './partner.ts';

export type Verdict =
  /** Believe it. */
  | 'fresh'
  /** The partner does not know our nonce. Believe nothing, but answer at once, echoing its nonce. */
  | 'hello'
  /** Older than one already accepted: overtaken on the way, or replayed. */
  | 'stale'
  /** Received before, or sent before the partner restarted. */
  | 'replayed'
  /** Our own datagram, sent back to us. */
  | 'reflected'
  /** From or to a router outside this pair. */
  | 'not-for-us';

/** One per session and partner. Plain data. It need not survive a restart, because a restart brings a new nonce. */
export interface GuardState {
  readonly us: RouterId;
  readonly partner: RouterId;
  /** Our nonce: 8 octets, not zero. */
  readonly nonce: Uint8Array;
  /** The partner's nonce, once it has echoed ours, and the highest counter seen under it. */
  readonly heard: { readonly nonce: Uint8Array; readonly counter: bigint } | null;
  /** The partner's earlier nonces, since our nonce last changed; at most MAX_RETIRED. */
  readonly retired: readonly Uint8Array[];
}

/** Restarts of the partner that one nonce of ours can outlast. */
export const MAX_RETIRED = 64;

export type GuardHeader = Pick<PartnerHeader, 'sender' | 'receiver' | 'nonce' | 'counter' | 'echo'>;

/** @param nonce 8 unpredictable octets */
export function newGuard(us: RouterId, partner: RouterId, nonce: Uint8Array): GuardState {
  if (us === partner) throw new RangeError(`router ${us} cannot be its own partner`);
  return { us, partner, nonce: usable(nonce), heard: null, retired: [] };
}

/**
 * Change our nonce; no recorded datagram echoes the new one. Call it once whenever the partner falls silent, so that no
 * sequence of events can lock the partner out permanently, and when `isExhausted`. The counter may continue or restart.
 */
export function renew(state: GuardState, nonce: Uint8Array): GuardState {
  return { ...state, nonce: usable(nonce), retired: [] };
}

/** The partner has restarted so often that its datagrams are no longer accepted: call `renew`. */
export const isExhausted = (state: GuardState): boolean => state.retired.length >= MAX_RETIRED;

/** The nonce that our datagrams echo. Only the answer to a `hello` echoes that hello's nonce instead. */
export const echoOf = (state: GuardState): Uint8Array => state.heard?.nonce ?? NO_NONCE;

/** The verdict on a datagram with a good HMAC, and the state after it. Pure and total. */
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
