/** IPv6 addresses and prefixes as octets and as text (RFC 4291, RFC 5952). It knows no interface and no scope. */

/** Sixteen octets. */
export type Ipv6Address = Uint8Array;

/** `2001:db8::1`: lower case, the longest run of two or more zero groups as `::` (RFC 5952 §4). */
export function formatIpv6(address: Ipv6Address): string {
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((address[2 * i] ?? 0) << 8) | (address[2 * i + 1] ?? 0)).toString(16),
  );
  let start = 0;
  let longest = 1;
  for (let i = 0, run = 0; i < groups.length; i++) {
    run = groups[i] === '0' ? run + 1 : 0;
    if (run <= longest) continue;
    longest = run;
    start = i + 1 - run;
  }
  if (longest === 1) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + longest).join(':')}`;
}

/** Undefined unless `text` is exactly one address: no zone, no prefix length, no dotted tail. */
export function parseIpv6(text: string): Ipv6Address | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const given = [...head, ...tail];
  const missing = 8 - given.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  if (!given.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...tail];
  return Uint8Array.from(
    groups.flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    }),
  );
}

/** `2001:db8:ab00::/56`: 1 … 128 bits, all later bits zero; undefined for anything else. */
export function parsePrefix(
  text: string,
): { readonly prefix: Ipv6Address; readonly length: number } | undefined {
  const [address = '', bits = '', ...rest] = text.split('/');
  const prefix = parseIpv6(address);
  const length = /^[1-9]\d{0,2}$/.test(bits) ? Number(bits) : 0;
  if (prefix === undefined || length < 1 || length > 128 || rest.length > 0) return undefined;
  return networkOf(prefix, length).every((octet, i) => octet === prefix[i])
    ? { prefix, length }
    : undefined;
}

/** `address` with every bit after the first `length` cleared. */
export function networkOf(address: Ipv6Address, length: number): Ipv6Address {
  return Uint8Array.from(address, (octet, i) => {
    const kept = Math.min(8, Math.max(0, length - 8 * i));
    return octet & (0xff00 >> kept) & 0xff;
  });
}

/** `fe80::200:5eff:fe10:5301`: the link-local address of an interface identifier, for people. */
export const formatLinkLocal = (interfaceId: Uint8Array): string =>
  formatIpv6(linkLocalOf(interfaceId));

/** fe80::/64 and an interface identifier of eight octets (RFC 5072 §5). */
export function linkLocalOf(interfaceId: Uint8Array): Ipv6Address {
  const address = new Uint8Array(16);
  address.set([0xfe, 0x80]);
  address.set(interfaceId, 8);
  return address;
}
