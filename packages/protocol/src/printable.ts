/**
 * Text at the edge of the engine: makes a peer's text safe for logs and terminals, and encodes our own strings. It
 * hides no secrets; callers decide what to show.
 */

/** Longest peer-supplied text in a log line, in octets. */
const LIMIT = 128;

/** Letters, marks, numbers, punctuation, symbols and spaces; no control, no format character, no line separator. */
const VISIBLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]$/u;

/**
 * A peer's octets as text that cannot end a log line, move a cursor or reverse the text direction. Visible UTF-8
 * characters stay, a backslash is doubled, every other octet becomes `\xNN`. Cut after `limit` octets with `…`.
 */
export function printable(octets: Uint8Array, limit = LIMIT): string {
  let text = '';
  let at = 0;
  while (at < octets.length) {
    const { length, character } = characterAt(octets, at);
    if (at + length > limit) return `${text}…`;
    for (const octet of character === undefined ? octets.subarray(at, at + length) : [])
      text += `\\x${octet.toString(16).padStart(2, '0')}`;
    text += character === '\\' ? '\\\\' : (character ?? '');
    at += length;
  }
  return text;
}

/** The smallest code point for each length, so that no character has two encodings (RFC 3629 §3). */
const LEAST = [0, 0, 0x80, 0x800, 0x1_0000];

/** One visible character and its length in octets; no `character` for an octet that must be escaped. */
function characterAt(octets: Uint8Array, at: number): { length: number; character?: string } {
  const first = octets[at] ?? 0;
  const length = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const rest = octets.subarray(at + 1, at + length);
  const isWhole = rest.length === length - 1 && rest.every((octet) => (octet & 0xc0) === 0x80);
  if (length === 0 || first > 0xf4 || !isWhole) return { length: 1 };
  const head = length === 1 ? first : first & (0x7f >> length);
  const point = rest.reduce((sum, octet) => sum * 64 + (octet & 0x3f), head);
  if (point < (LEAST[length] ?? 0) || point > 0x10_ffff) return { length: 1 };
  const character = String.fromCodePoint(point);
  return VISIBLE.test(character) ? { length, character } : { length: 1 };
}

/** Keeps a line one line, whatever a peer put into it, and keeps it from moving a terminal's cursor. */
export const oneLine = (text: string): string =>
  text.replaceAll(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );

/** UTF-8 (RFC 3629). A lone surrogate becomes U+FFFD. */
export function utf8(text: string): Uint8Array {
  const octets: number[] = [];
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    const scalar = point >= 0xd800 && point <= 0xdfff ? 0xfffd : point;
    if (scalar < 0x80) octets.push(scalar);
    else if (scalar < 0x800) octets.push(0xc0 | (scalar >> 6), tail(scalar));
    else if (scalar < 0x1_0000) octets.push(0xe0 | (scalar >> 12), tail(scalar >> 6), tail(scalar));
    else octets.push(0xf0 | (scalar >> 18), tail(scalar >> 12), tail(scalar >> 6), tail(scalar));
  }
  return Uint8Array.from(octets);
}

const tail = (bits: number): number => 0x80 | (bits & 0x3f);

/** UTF-16, least significant octet first (RFC 2759 §8.3). */
export function utf16le(text: string): Uint8Array {
  const octets = new Uint8Array(text.length * 2);
  for (let i = 0; i < text.length; i++) {
    octets[2 * i] = text.charCodeAt(i) & 0xff;
    octets[2 * i + 1] = text.charCodeAt(i) >> 8;
  }
  return octets;
}

/** Concatenates octets. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
