/**
 * The default routes of the sessions: each session has its own, beside those of the other sessions and of other
 * programs. The caller decides where a session's route leads.
 *
 * Theory of operation. A route belongs to a session if it leads to the session's interface, or to its partner's address.
 * Routes of two sessions may have the same metric: the kernel uses the first one, and the second when the first goes. So no
 * session removes the route of another, in whatever order they come and go.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { unless } from '../errors.ts';
import type { SessionPolicy } from '../policy.ts';
import { tableOf } from './addressing.ts';
import { attempt, type Rtnetlink } from './kernel.ts';
import {
  FAMILY,
  RTPROT_OURS,
  addRoute,
  appendRoute,
  decodeRoute,
  deleteRoute,
  ourRoutes,
  type Route,
} from './rtnetlink.ts';

/** Better than the 1024 of a route learned from router advertisements. */
const IPV6_METRIC = 46;

const HINTS = {
  ENETDOWN: 'the interface is down',
  ENETUNREACH: 'the gateway is on no network of this router',
};

/** Out of the session's interface, which has one station at its other end and needs no gateway; or to the partner. */
export type Towards =
  | { readonly link: number; readonly source?: Uint8Array }
  | { readonly gateway: Uint8Array; readonly link?: number };

export class DefaultRoutes {
  readonly #kernel: Rtnetlink;
  readonly #log: (line: string) => void;
  /** By family and name, the sessions whose route leads to their partner: several may have the same one. */
  readonly #viaPartner = new Map<string, SessionPolicy>();
  /** Session and family for which another program's route in the way has been logged. */
  readonly #told = new Set<string>();

  constructor(kernel: Rtnetlink, log: (line: string) => void) {
    this.#kernel = kernel;
    this.#log = log;
  }

  /**
   * Make `towards` the default route of `session` in a family, or have none.
   *
   * @param own the session's interface as it is now; its routes have gone with an earlier one
   */
  set(
    policy: SessionPolicy,
    family: number,
    own: number | undefined,
    towards: Towards | undefined,
  ): void {
    const kernel = this.#kernel;
    const user = `${family} ${policy.name}`;
    if (towards !== undefined && 'gateway' in towards) this.#viaPartner.set(user, policy);
    else this.#viaPartner.delete(user);
    const wanted = towards && routeOf(policy, family, towards);
    const subject = `${family === FAMILY.IPV4 ? 'IPv4' : 'IPv6'} default route for ${policy.name}`;
    attempt(
      'set',
      subject,
      () => {
        const present = this.#ours(family, tableOf(policy));
        const kept = wanted && present.find((route) => sameRoute(wanted, route));
        // Add the new route first, so that every packet finds one.
        if (wanted && !kept) this.#add(subject, wanted, present);
        for (const route of present)
          if (route !== kept && this.#isOf(policy, own, route))
            unless(['ESRCH'], () => kernel.request(deleteRoute(route)));
      },
      HINTS,
    );
    if (wanted === undefined) this.#told.delete(subject);
  }

  #add(subject: string, wanted: Route, present: readonly Route[]): void {
    let isFirst = true;
    unless(['EEXIST'], () => {
      this.#kernel.request(addRoute(wanted));
      isFirst = false;
    });
    if (!isFirst) return;
    // Another program's may even lead to the same place.
    unless(['EEXIST'], () => this.#kernel.request(appendRoute(wanted)));
    const isOurs = present.some(({ metric }) => metric === wanted.metric);
    if (isOurs || this.#told.has(subject)) return;
    this.#told.add(subject);
    this.#log(
      `set ${subject}: EEXIST: another program has one of metric ${wanted.metric}, and the kernel uses that one; ` +
        'give the session a lower metric, or remove the other route',
    );
  }

  /** A route to the partner stays while another session leads there too. */
  #isOf(policy: SessionPolicy, own: number | undefined, route: Route): boolean {
    const { gateway, family } = route;
    if (gateway === undefined) return route.link === own;
    const leadsThere = (other: SessionPolicy): boolean =>
      sameOptional(partnerOf(other, family), gateway);
    const isShared = Array.from(this.#viaPartner).some(
      ([user, other]) =>
        user === `${family} ${other.name}` &&
        other.name !== policy.name &&
        leadsThere(other) &&
        tableOf(other) === route.table &&
        metricOf(other, family) === route.metric,
    );
    return leadsThere(policy) && !isShared;
  }

  /** The default routes of all sessions in one table. */
  #ours(family: number, table: number): Route[] {
    let routes: (Route | undefined)[] = [];
    // No such table, or a kernel without this family: there are no routes.
    unless(['ENOENT', 'ENOTSUP', 'EAFNOSUPPORT'], () => {
      routes = this.#kernel.request(ourRoutes(family, table)).map(decodeRoute);
    });
    return routes
      .filter((route) => route !== undefined)
      .filter(
        (route) =>
          route.protocol === RTPROT_OURS && route.table === table && route.family === family,
      );
  }
}

const partnerOf = (policy: SessionPolicy, family: number): Uint8Array | undefined =>
  family === FAMILY.IPV4 ? policy.partnerAddress : policy.partnerAddress6?.address;

const metricOf = ({ metric }: SessionPolicy, family: number): number =>
  metric ?? (family === FAMILY.IPV6 ? IPV6_METRIC : 0);

const routeOf = (policy: SessionPolicy, family: number, towards: Towards): Route => ({
  family,
  table: tableOf(policy),
  protocol: RTPROT_OURS,
  metric: metricOf(policy, family),
  // To a gateway the kernel finds the interface itself.
  link: 0,
  ...towards,
});

const sameOptional = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a && b ? sameOctets(a, b) : a === b;

/** Link 0 lets the kernel choose the interface, so that any will do. */
const sameRoute = (wanted: Route, present: Route): boolean =>
  sameOptional(wanted.gateway, present.gateway) &&
  sameOptional(wanted.source, present.source) &&
  wanted.metric === present.metric &&
  (wanted.link === 0 || wanted.link === present.link);
