/**
 * The results of the phases of PPP: the agreement when a session opens, and the reason when it ends. It negotiates
 * nothing.
 */
import type { Millis } from '../../time.ts';
import { printable } from '../../printable.ts';
import { formatIpv4 } from '../../wire/ncp.ts';
import type { Note } from '../events.ts';
import type { Lcp } from './lcp.ts';
import type { Ncps } from './ncps.ts';
import type { Ipv4Ends, SessionFacts } from '../../session.ts';

/** The agreement of the two ends inside PPP. */
export type Agreement = Ipv4Ends &
  Pick<
    SessionFacts,
    | 'ourMagic'
    | 'theirMagic'
    | 'ourMru'
    | 'theirMru'
    | 'maxPayload'
    | 'auth'
    | 'dns'
    | 'interfaceIds'
    | 'identifiers'
  >;

/** Why PPP ended, and the consequences for the session and the next dial. */
export interface End {
  readonly kind: 'ended';
  /** For the log and the operator, escaped. */
  readonly reason: string;
  /** The AC may not know of the end: send it a PADT. */
  readonly padt: boolean;
  /** The AC understood us and refused. */
  readonly refused: boolean;
  /** It counts as a failure, however long it was up. */
  readonly isFlapping?: boolean;
}

export type PhasesSignal =
  /** IPCP is Opened, or IPV6CP alone; again when something agreed has changed. */
  | { readonly kind: 'opened'; readonly agreed: Agreement }
  /** `rtt` if the sign of life was an Echo-Reply. */
  | { readonly kind: 'proven'; readonly rtt?: Millis }
  | { readonly kind: 'silent' }
  | End;

/** @param maxPayload octets the line carries, which may be less than the peer would take */
export function agreement(lcp: Lcp, ncps: Ncps, maxPayload: number): Agreement {
  const { theirMru, ...rest } = lcp.agreement;
  const interfaceIds = ncps.ipv6;
  return {
    ...rest,
    theirMru: Math.min(theirMru, maxPayload),
    dns: [],
    ...ncps.ipv4,
    ...(interfaceIds === undefined ? {} : { interfaceIds }),
    maxPayload,
    identifiers: { lcp: lcp.identifier, ...ncps.identifiers },
  };
}

const ipv4Facts = ({ ourAddress, theirAddress }: Ipv4Ends): NonNullable<Note['facts']> =>
  ourAddress === undefined
    ? { address: 'none' }
    : { address: formatIpv4(ourAddress), peer: formatIpv4(theirAddress) };

/** The text of a Terminate-Request, for people. */
export const wordsOf = (data: Uint8Array): string =>
  data.length === 0 ? '' : `: ${printable(data)}`;

/** For the log. */
export function describe(agreed: Agreement): NonNullable<Note['facts']> {
  return {
    ...ipv4Facts(agreed),
    dns: agreed.dns.map(formatIpv4).join(',') || 'none',
    ipv6: agreed.interfaceIds !== undefined,
    maxPayload: agreed.maxPayload,
  };
}
