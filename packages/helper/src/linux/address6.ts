/**
 * IPv6 addresses with lifetimes, and unreachable routes, that belong to no session's interface: the LANs' part of a
 * delegated prefix. It decides no policy.
 */
import type { Address6, Aggregate } from '../backend.ts';
import { attempt, type Rtnetlink } from './kernel.ts';
import { BackendError, unless } from '../errors.ts';
import {
  addUnreachable,
  deleteAddress,
  deleteUnreachable,
  replaceAddress,
  TABLE_MAIN,
} from './rtnetlink.ts';

export function setAddress6(kernel: Rtnetlink, wanted: Address6): void {
  const { interface: name, address, bits, preferred, valid } = wanted;
  const link = kernel.link(name)?.index;
  if (link === undefined)
    throw new BackendError('delegate', name, 'ENXIO', 'there is no such interface');
  attempt('set IPv6 address of', name, () =>
    kernel.request(
      replaceAddress({ link, local: address, peer: address, prefix: bits }, preferred, valid),
    ),
  );
}

export function removeAddress6(
  kernel: Rtnetlink,
  name: string,
  address: Uint8Array,
  bits: number,
): void {
  const link = kernel.link(name)?.index;
  if (link === undefined) return;
  attempt('delete IPv6 address of', name, () =>
    unless(['EADDRNOTAVAIL', 'ENODEV'], () =>
      kernel.request(deleteAddress({ link, local: address, peer: address, prefix: bits })),
    ),
  );
}

export function setUnreachable6(
  kernel: Rtnetlink,
  { prefix, length }: Aggregate,
  fib: number,
  on: boolean,
): void {
  const table = fib === 0 ? TABLE_MAIN : fib;
  attempt('set', 'unreachable route of a delegated prefix', () => {
    if (on) unless(['EEXIST'], () => kernel.request(addUnreachable(prefix, length, table)));
    else unless(['ESRCH'], () => kernel.request(deleteUnreachable(prefix, length, table)));
  });
}
