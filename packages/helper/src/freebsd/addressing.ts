/**
 * Sets the addresses and default routes of a session, in an order in which each step leaves the router reachable. The
 * caller decides which addresses and which route.
 *
 * With a stub the session's interface has the router's own address, and the stub the public one. On a router that is not
 * live the interface is configured but down, because its route to the AC's address would lead nowhere.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { linkLocalOf } from '@ppp-thing/protocol/wire/ipv6';
import { BackendError } from '../errors.ts';
import type { Settings, Via } from '../backend.ts';
import type { Libc } from '../libc.ts';
import type { SessionPolicy } from '../policy.ts';
import { C } from './abi.ts';
import { anyway, attempt, unless } from './errors.ts';
import type { Interfaces } from './interface.ts';
import { addressOf, gateway4, gateway6, withRoutes, type Gateway, type Routes } from './route.ts';

const IN_USE = {
  EEXIST: 'address in use: another interface leads to the same address',
  EADDRINUSE: 'address in use',
  ENXIO: 'the interface has gone',
};

const dotted = (address: Uint8Array): string => address.join('.');

/**
 * @param before  the settings that this process configured before; undefined if none
 */
export function configure(
  interfaces: Interfaces,
  policy: SessionPolicy,
  before: Settings | undefined,
  settings: Settings,
): void {
  const { name, stub } = policy;
  const { ourAddress, theirAddress, mtu, up } = settings;
  const own = stub === undefined ? ourAddress : (policy.localAddress ?? ourAddress);
  attempt('set mtu of', name, () => interfaces.setMtu(name, mtu), { EINVAL: `mtu ${mtu}` });
  if (stub !== undefined) {
    setAddress(interfaces, stub, ourAddress, ourAddress);
    setUp(interfaces, stub, true);
  }
  setAddress(interfaces, name, own, theirAddress);
  setInterfaceId(interfaces, name, before?.interfaceIds?.ours, settings.interfaceIds?.ours);
  // Last: ng_iface comes up by itself with a new address.
  setUp(interfaces, name, up);
}

export function deconfigure(
  interfaces: Interfaces,
  policy: SessionPolicy,
  before: Settings | undefined,
): void {
  const { name, stub } = policy;
  setUp(interfaces, name, false);
  setInterfaceId(interfaces, name, before?.interfaceIds?.ours, undefined);
  deleteAddresses(interfaces, name, undefined);
  if (stub === undefined) return;
  deleteAddresses(interfaces, stub, undefined);
  setUp(interfaces, stub, false);
}

export function setUp(interfaces: Interfaces, name: string, up: boolean): void {
  attempt(
    up ? 'set up' : 'set down',
    name,
    () => interfaces.setFlags(name, up ? C.IFF_UP : 0, up ? 0 : C.IFF_UP),
    IN_USE,
  );
}

/** Sets the one address of an interface and its other end, or none. Keeps a correct address, and the flags. */
function setAddress(
  interfaces: Interfaces,
  name: string,
  address: Uint8Array | null,
  destination: Uint8Array | null,
): void {
  if (address === null || destination === null) return deleteAddresses(interfaces, name, undefined);
  deleteAddresses(interfaces, name, address);
  const isThere = (): boolean => {
    const other = interfaces.address(name) && interfaces.destination(name);
    return other !== undefined && sameOctets(other, destination);
  };
  if (attempt('read address of', name, isThere)) return;
  attempt('set address of', name, () => interfaces.addAddress(name, address, destination), {
    ...IN_USE,
    EEXIST: `address in use: ${dotted(destination)} is reached by another interface`,
  });
}

/** The most addresses that an administrator may add. */
const MOST_ADDRESSES = 16;

function deleteAddresses(interfaces: Interfaces, name: string, but: Uint8Array | undefined): void {
  attempt(
    'delete addresses of',
    name,
    () => {
      for (let i = 0; i < MOST_ADDRESSES; i++) {
        const present = interfaces.address(name);
        if (present === undefined || (but !== undefined && sameOctets(present, but))) return;
        unless(['EADDRNOTAVAIL'], () => interfaces.deleteAddress(name, present));
      }
    },
    IN_USE,
  );
}

function setInterfaceId(
  interfaces: Interfaces,
  name: string,
  before: Uint8Array | undefined,
  wanted: Uint8Array | undefined,
): void {
  if (before !== undefined && wanted !== undefined && sameOctets(before, wanted)) return;
  attempt('set IPv6 address of', name, () => {
    if (before !== undefined) interfaces.deleteLinkLocal(name, before);
    if (wanted !== undefined) interfaces.addLinkLocal(name, wanted);
  });
}

export interface Way {
  readonly via: Via;
  /** The AC's IPv6 interface identifier, if IPv6 is configured. */
  readonly theirs: Uint8Array | undefined;
  /** The gateway that was set last; the session's other end may have changed since. */
  readonly before?: Uint8Array | undefined;
  /** Whether another session's default route in the same FIB has this gateway. */
  readonly isShared: (gateway: Uint8Array) => boolean;
  /** Reports another program's default route beside ours, by its gateway. */
  readonly beside: (gateway: Uint8Array) => void;
  readonly log: (line: string) => void;
}

const ROUTE_REASONS = {
  ENETUNREACH: 'the gateway cannot be reached; is the interface up',
  EINVAL: 'is net.fibs so many',
};

/**
 * Without `defaultRoute` in the policy the routes are the administrator's, and this does nothing.
 *
 * @returns the gateway that is set now
 */
export function route(
  libc: Libc,
  interfaces: Interfaces,
  policy: SessionPolicy,
  way: Way,
): Uint8Array | undefined {
  if (!policy.defaultRoute) return undefined;
  const { name, fib, partnerAddress } = policy;
  const theirAddress = unless(['ENXIO'], () => interfaces.destination(name));
  const gateway = { session: theirAddress, partner: partnerAddress, none: undefined }[way.via];
  const ipv6 = { session: way.theirs, partner: policy.partnerAddress6, none: undefined }[way.via];
  if (way.via !== 'none' && gateway === undefined && ipv6 === undefined) {
    const reason = way.via === 'session' ? 'configure the session first' : 'no partner_address';
    throw new BackendError('route', name, 'ENOTCONN', reason);
  }
  attempt(
    'route',
    name,
    () => {
      withRoutes(libc, fib, (routes) => {
        const wanted = gateway && gateway4(gateway);
        // Add the new route first, so that every packet finds one. Look for other default routes last: packets wait for ours.
        const replaced = wanted && routes.add(wanted);
        for (const each of [theirAddress, partnerAddress, way.before]) {
          if (each === undefined || (gateway !== undefined && sameOctets(each, gateway))) continue;
          if (!way.isShared(each)) routes.remove(gateway4(each));
        }
        const other = replaced ?? (wanted && routes.beside(wanted));
        if (other !== undefined) way.beside(addressOf(other));
        // A router without IPv6 elsewhere still gets its IPv4.
        anyway(
          () => route6(routes, interfaces, policy, way),
          (message) => way.log(`route ${name}: IPv6: ${message}`),
        );
      });
    },
    ROUTE_REASONS,
  );
  return gateway;
}

/** Remove the default routes via the partner, whoever set them; no other route changes. */
export function leavePartner(libc: Libc, interfaces: Interfaces, policy: SessionPolicy): void {
  const { name, fib, partnerAddress, defaultRoute } = policy;
  if (!defaultRoute) return;
  attempt('route', name, () => {
    withRoutes(libc, fib, (routes) => {
      if (partnerAddress !== undefined) routes.remove(gateway4(partnerAddress));
      const partner6 = partnerGateway6(interfaces, policy);
      if (partner6 !== undefined) routes.remove(partner6);
    });
  });
}

function partnerGateway6(
  interfaces: Interfaces,
  { partnerAddress6: partner }: SessionPolicy,
): Gateway | undefined {
  if (partner === undefined) return undefined;
  const index = partner.interface === undefined ? 0 : interfaces.index(partner.interface);
  return gateway6(partner.address, index);
}

function route6(routes: Routes, interfaces: Interfaces, policy: SessionPolicy, way: Way): void {
  const gateways = {
    partner: partnerGateway6(interfaces, policy),
    session: way.theirs && gateway6(linkLocalOf(way.theirs), interfaces.index(policy.name)),
    none: undefined,
  };
  const wanted = gateways[way.via];
  if (wanted !== undefined) routes.add(wanted);
  for (const each of [gateways.partner, gateways.session])
    if (each !== undefined && each !== wanted) routes.remove(each);
}
