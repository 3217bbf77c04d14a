/**
 * Sets the addresses and default routes of a session. It compares with the kernel's first, so that a repeated call changes
 * nothing. The caller decides which addresses and which route.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { unless } from '../errors.ts';
import { linkLocalOf } from '@ppp-thing/protocol/wire/ipv6';
import type { Settings } from '../backend.ts';
import type { SessionPolicy } from '../policy.ts';
import { attempt, type Rtnetlink } from './kernel.ts';
import { TABLE_MAIN, addAddress, deleteAddress, type Address } from './rtnetlink.ts';

/**
 * The addresses of the session's interface: the public one, or with a stub the router's own, with the AC's at the other end.
 * IPv6 only on an interface that is up, since the kernel removes IPv6 addresses from one that is down.
 */
export function sessionAddresses(
  policy: SessionPolicy,
  settings: Settings,
  link: number,
): Address[] {
  const local = policy.stub === undefined ? settings.ourAddress : policy.localAddress;
  const peer = settings.theirAddress;
  const wanted: Address[] = [];
  if (local && peer) wanted.push({ link, local, peer, prefix: 32 });
  if (settings.interfaceIds && settings.up) {
    const { ours, theirs } = settings.interfaceIds;
    wanted.push({ link, local: linkLocalOf(ours), peer: linkLocalOf(theirs), prefix: 128 });
  }
  return wanted;
}

export const stubAddresses = ({ ourAddress }: Settings, link: number): Address[] =>
  ourAddress === null ? [] : [{ link, local: ourAddress, peer: ourAddress, prefix: 32 }];

const sameAddress = (a: Address, b: Address): boolean =>
  sameOctets(a.local, b.local) && sameOctets(a.peer, b.peer) && a.prefix === b.prefix;

/** Whether an address is ours to delete. Another program's or an administrator's IPv6 address never is. */
export type Ours = (address: Address) => boolean;

export const everyIpv4: Ours = ({ local }) => local.length === 4;

/** Every IPv4 address, and the link-local address of `settings`, which this process configured before. */
export const oursSince =
  (settings: Settings | undefined): Ours =>
  (address) => {
    const interfaceId = settings?.interfaceIds?.ours;
    return (
      everyIpv4(address) ||
      (interfaceId !== undefined && sameOctets(address.local, linkLocalOf(interfaceId)))
    );
  };

/** IPv6 addresses that somebody else gave `link` to keep. The kernel drops them when the interface goes down. */
export const othersIpv6 = (kernel: Rtnetlink, link: number, isOurs: Ours): Address[] =>
  kernel
    .addresses(link)
    .filter(
      (address) => address.local.length === 16 && address.permanent === true && !isOurs(address),
    );

/** Give `link` the addresses in `wanted`, and delete those of ours that are not among them. */
export function setAddresses(
  kernel: Rtnetlink,
  name: string,
  link: number,
  wanted: readonly Address[],
  isOurs: Ours,
): void {
  attempt('set addresses of', name, () => {
    const present = kernel.addresses(link);
    for (const address of present.filter(isOurs)) {
      if (wanted.some((one) => sameAddress(one, address))) continue;
      unless(['EADDRNOTAVAIL'], () => kernel.request(deleteAddress(address)));
    }
    for (const address of wanted) {
      if (!present.some((one) => sameAddress(one, address))) kernel.request(addAddress(address));
    }
  });
}

export const tableOf = (policy: SessionPolicy): number =>
  policy.fib === 0 ? TABLE_MAIN : policy.fib;
