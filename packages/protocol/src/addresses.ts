/**
 * Which IPv4 addresses may stand at the ends of a session: one rule for what the AC says and for what the helper
 * configures, so that nothing is agreed to that cannot be put on the interface. It negotiates and configures nothing.
 */
import { sameOctets } from './bytes.ts';

/** Neither 0/8 nor 127/8 nor multicast nor reserved: what a host could have. Four octets. */
export const isHost = ([first = 0]: Uint8Array): boolean =>
  first !== 0 && first !== 127 && first < 224;

/** Whether `address` is among `others`. */
export const isAmong = (address: Uint8Array, others: readonly Uint8Array[]): boolean =>
  others.some((other) => sameOctets(other, address));

/** What stands in for an AC that names no usable address: nobody has it, and pppd uses the same one. */
const LABEL = Uint8Array.of(10, 64, 64, 64);

/**
 * The AC's end of the link as an interface can have it. Nothing is ever sent to that address: it is the label that the
 * kernel wants a point-to-point link to have, so that an AC without an address, or with one of ours, is no reason to be
 * without a line.
 *
 * @param said what the AC named; 0.0.0.0 if nothing
 * @param taken addresses that cannot be the label: our end of the link, and what this router needs elsewhere
 */
export function peerLabel(said: Uint8Array, taken: readonly Uint8Array[]): Uint8Array {
  if (isHost(said) && !isAmong(said, taken)) return said;
  const [first = 0, second = 0, third = 0, fourth = 0] = LABEL;
  // Every turn another one, so that it ends when `taken` has none of them any more.
  for (let i = 0; ; i++) {
    const label = Uint8Array.of(first, second, third + (i >> 8), fourth + i);
    if (!isAmong(label, taken)) return label;
  }
}
