/**
 * Which IPv4 addresses the ends of a session may have. One rule for negotiation and for the helper, so that we never
 * agree to an address that the interface cannot have. It negotiates and configures nothing.
 */
import { sameOctets } from './bytes.ts';

/** An address that a host can have: not in 0/8 or 127/8, not multicast, not reserved. Four octets. */
export const isHost = ([first = 0]: Uint8Array): boolean =>
  first !== 0 && first !== 127 && first < 224;

/** The same of IPv6: neither `::` nor the loopback, and no group. Sixteen octets. */
export function isHost6(address: Uint8Array): boolean {
  const isLow = address.subarray(0, 15).every((octet) => octet === 0) && (address[15] ?? 0) <= 1;
  return !isLow && address[0] !== 0xff;
}

/** Whether `address` is among `others`. */
export const isAmong = (address: Uint8Array, others: readonly Uint8Array[]): boolean =>
  others.some((other) => sameOctets(other, address));

/** Used when the AC names no usable address. Nobody has it, and pppd uses the same one. */
const LABEL = Uint8Array.of(10, 64, 64, 64);

/**
 * The AC's address as the interface can have it. Nothing is ever sent to it: the kernel only needs a label for the far
 * end of a point-to-point link. So an AC without an address, or with one of ours, does not prevent a session.
 *
 * @param said the AC's address from IPCP; 0.0.0.0 if it named none
 * @param taken addresses that cannot be the label: our end of the link, and this router's other addresses
 */
export function peerLabel(said: Uint8Array, taken: readonly Uint8Array[]): Uint8Array {
  if (isHost(said) && !isAmong(said, taken)) return said;
  const [first = 0, second = 0, third = 0, fourth = 0] = LABEL;
  // Each turn gives another label, so the loop ends after at most `taken.length` turns.
  for (let i = 0; ; i++) {
    const label = Uint8Array.of(first, second, third + (i >> 8), fourth + i);
    if (!isAmong(label, taken)) return label;
  }
}
