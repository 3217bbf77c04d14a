/**
 * Checks that octets are one plain msgpack value: nil, boolean, number, text, octets, list or map, of limited depth. It
 * scans without allocating, so a hostile length or an extension type is rejected before msgpackr sees it.
 */

/** Nesting of lists and maps, at most; our deepest message has four levels. */
const MAX_DEPTH = 8;

/** For each first octet 0xc0 … 0xdf: the octets of length or value after it, and the kind of value. */
type Form =
  | { readonly kind: 'value'; readonly octets: number }
  | { readonly kind: 'octets' | 'list' | 'map'; readonly lengthOctets: number };

const value = (octets: number): Form => ({ kind: 'value', octets });
const counted = (kind: 'octets' | 'list' | 'map', lengthOctets: number): Form => ({
  kind,
  lengthOctets,
});

/** Extensions (0xc7 … 0xc9, 0xd4 … 0xd8) and the unused 0xc1 are absent, so they are rejected. */
const FORMS = new Map<number, Form>([
  [0xc0, value(0)],
  [0xc2, value(0)],
  [0xc3, value(0)],
  [0xc4, counted('octets', 1)],
  [0xc5, counted('octets', 2)],
  [0xc6, counted('octets', 4)],
  [0xca, value(4)],
  [0xcb, value(8)],
  [0xcc, value(1)],
  [0xcd, value(2)],
  [0xce, value(4)],
  [0xcf, value(8)],
  [0xd0, value(1)],
  [0xd1, value(2)],
  [0xd2, value(4)],
  [0xd3, value(8)],
  [0xd9, counted('octets', 1)],
  [0xda, counted('octets', 2)],
  [0xdb, counted('octets', 4)],
  [0xdc, counted('list', 2)],
  [0xdd, counted('list', 4)],
  [0xde, counted('map', 2)],
  [0xdf, counted('map', 4)],
]);

/** True if `octets` hold exactly one plain value and nothing after it. Never throws. */
export function isPlain(octets: Uint8Array): boolean {
  return skip(octets, 0, 0) === octets.length;
}

/** The end of the value that begins at `at`, or -1 if it is not plain. */
function skip(octets: Uint8Array, at: number, depth: number): number {
  const first = octets[at];
  if (first === undefined || depth > MAX_DEPTH) return -1;
  if (first < 0x80 || first >= 0xe0) return at + 1;
  if (first < 0x90) return skipItems(octets, at + 1, 2 * (first & 0x0f), depth);
  if (first < 0xa0) return skipItems(octets, at + 1, first & 0x0f, depth);
  if (first < 0xc0) return within(octets, at + 1 + (first & 0x1f));
  const form = FORMS.get(first);
  if (form === undefined) return -1;
  if (form.kind === 'value') return within(octets, at + 1 + form.octets);
  const body = at + 1 + form.lengthOctets;
  if (within(octets, body) < 0) return -1;
  const length = octets.subarray(at + 1, body).reduce((sum, octet) => sum * 256 + octet, 0);
  if (form.kind === 'octets') return within(octets, body + length);
  return skipItems(octets, body, form.kind === 'map' ? 2 * length : length, depth);
}

function skipItems(octets: Uint8Array, at: number, count: number, depth: number): number {
  // A count that is too high fails at the first missing item.
  let next = at;
  for (let i = 0; i < count && next >= 0; i++) next = skip(octets, next, depth + 1);
  return next;
}

const within = (octets: Uint8Array, end: number): number => (end <= octets.length ? end : -1);
