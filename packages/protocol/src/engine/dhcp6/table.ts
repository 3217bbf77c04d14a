/**
 * The states of a DHCPv6 client and what each event does in each: a total table (RFC 9915 §18.2). It decides nothing
 * else: what an act means in messages is `client.ts`.
 *
 * Theory of operation. The PPPoE session survives a failover, and with it the server's route for the prefix. So a router
 * that takes the session over says nothing: it goes to Bound with the lease of its predecessor, and renews it when T1
 * comes. Only a new session has to ask whether the lease still holds. What may not happen: a message from a router that
 * does not hold the session, and a Release for any other reason than the operator's disconnect.
 */

export type Dhcp6State =
  /** Silent: not the holder, or no session, or no IPv6 on it. */
  | 'Off'
  | 'Solicit'
  | 'Request'
  | 'Bound'
  /** T1 has come: ask the server that granted the lease. */
  | 'Renew'
  /** T2 has come: ask any server. */
  | 'Rebind'
  /** A new session with an old lease: ask any server, for as long as a Confirm would (RFC 9915 §18.2.12). */
  | 'Confirm'
  /** The operator disconnects. Taken back, the lease may be released already: the server says so at the next Renew. */
  | 'Release';

export type Dhcp6Event =
  /** This router may send on the session, and there is no lease. */
  | 'Fresh'
  /** The same with a lease that was granted on this session. */
  | 'Held'
  /** The same with a lease from an earlier session. */
  | 'Moved'
  /** A server's offer has been chosen. */
  | 'Offer'
  /** A Reply with a lease. */
  | 'Grant'
  /** A Reply that refuses: the server knows no such lease, or gives none. */
  | 'Denied'
  | 'T1'
  | 'T2'
  /** No part of the lease is valid any more. */
  | 'Expired'
  /** The last retransmission went unanswered. */
  | 'Exhausted'
  /** A Reply to our Release. */
  | 'Answered'
  /** The operator disconnects. */
  | 'Disconnect'
  /** The session is not ours any more, or has ended. */
  | 'Stop';

export type Dhcp6Act =
  'solicit' | 'request' | 'bind' | 'renew' | 'rebind' | 'confirm' | 'drop' | 'release' | 'end';

type Cell = Dhcp6State | `${Dhcp6Act}/${Dhcp6State}` | `${Dhcp6Act},${Dhcp6Act}/${Dhcp6State}`;

// prettier-ignore
export const DHCP6 = {
  //            Off                Solicit            Request            Bound              Renew              Rebind             Confirm            Release
  Fresh:      { Off: 'solicit/Solicit', Solicit: 'Solicit', Request: 'Request', Bound: 'Bound', Renew: 'Renew', Rebind: 'Rebind', Confirm: 'Confirm', Release: 'solicit/Solicit' },
  Held:       { Off: 'bind/Bound', Solicit: 'Solicit', Request: 'Request', Bound: 'Bound', Renew: 'Renew', Rebind: 'Rebind', Confirm: 'Confirm', Release: 'bind/Bound' },
  Moved:      { Off: 'confirm/Confirm', Solicit: 'Solicit', Request: 'Request', Bound: 'confirm/Confirm', Renew: 'confirm/Confirm', Rebind: 'confirm/Confirm', Confirm: 'Confirm', Release: 'confirm/Confirm' },
  Offer:      { Off: 'Off', Solicit: 'request/Request', Request: 'Request', Bound: 'Bound', Renew: 'Renew', Rebind: 'Rebind', Confirm: 'Confirm', Release: 'Release' },
  Grant:      { Off: 'Off', Solicit: 'bind/Bound', Request: 'bind/Bound', Bound: 'Bound', Renew: 'bind/Bound', Rebind: 'bind/Bound', Confirm: 'bind/Bound', Release: 'Release' },
  Denied:     { Off: 'Off', Solicit: 'Solicit', Request: 'solicit/Solicit', Bound: 'Bound', Renew: 'request/Request', Rebind: 'request/Request', Confirm: 'request/Request', Release: 'Release' },
  T1:         { Off: 'Off', Solicit: 'Solicit', Request: 'Request', Bound: 'renew/Renew', Renew: 'Renew', Rebind: 'Rebind', Confirm: 'Confirm', Release: 'Release' },
  T2:         { Off: 'Off', Solicit: 'Solicit', Request: 'Request', Bound: 'rebind/Rebind', Renew: 'rebind/Rebind', Rebind: 'Rebind', Confirm: 'Confirm', Release: 'Release' },
  Expired:    { Off: 'drop/Off', Solicit: 'drop/Solicit', Request: 'drop/Request', Bound: 'drop,solicit/Solicit', Renew: 'drop,solicit/Solicit', Rebind: 'drop,solicit/Solicit', Confirm: 'drop,solicit/Solicit', Release: 'Release' },
  Exhausted:  { Off: 'Off', Solicit: 'Solicit', Request: 'solicit/Solicit', Bound: 'Bound', Renew: 'Renew', Rebind: 'Rebind', Confirm: 'solicit/Solicit', Release: 'drop,end/Off' },
  Answered:   { Off: 'Off', Solicit: 'Solicit', Request: 'Request', Bound: 'Bound', Renew: 'Renew', Rebind: 'Rebind', Confirm: 'Confirm', Release: 'drop,end/Off' },
  Disconnect: { Off: 'end/Off', Solicit: 'drop,end/Off', Request: 'drop,end/Off', Bound: 'release/Release', Renew: 'release/Release', Rebind: 'release/Release', Confirm: 'release/Release', Release: 'Release' },
  Stop:       { Off: 'Off', Solicit: 'Off', Request: 'Off', Bound: 'Off', Renew: 'Off', Rebind: 'Off', Confirm: 'Off', Release: 'Off' },
} as const satisfies Record<Dhcp6Event, Record<Dhcp6State, Cell>>;

/** What `event` does in `state`: acts in order, then the next state. Pure and total. */
export function stepDhcp6(
  state: Dhcp6State,
  event: Dhcp6Event,
): { readonly acts: readonly Dhcp6Act[]; readonly next: Dhcp6State } {
  const cell: Cell = DHCP6[event][state];
  const [acts, next] = cell.includes('/')
    ? (cell.split('/') as [string, Dhcp6State])
    : ['', cell as Dhcp6State];
  return { acts: acts === '' ? [] : (acts.split(',') as Dhcp6Act[]), next };
}
