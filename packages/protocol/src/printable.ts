/**
 * Text at the edge of the engine: what a peer sent made safe for logs and terminals, and our own strings as octets. It
 * keeps no secrets from anyone: callers choose what to show.
 */

/** Characters of peer text shown at most: a log line is no place for a novel. */
const LIMIT = 128;

/**
 * Octets from a peer as text that can neither end a log line nor move a cursor: printable ASCII stays, a backslash is
 * doubled, everything else is `\xNN`; cut after `limit` octets with `…`.
 */
export function printable(octets: Uint8Array, limit = LIMIT): string {
  let text = '';
  for (const octet of octets.subarray(0, limit)) {
    if (octet === 0x5c) text += '\\\\';
    else if (octet >= 0x20 && octet < 0x7f) text += String.fromCharCode(octet);
    else text += `\\x${octet.toString(16).padStart(2, '0')}`;
  }
  return octets.length > limit ? `${text}…` : text;
}

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

/** Octets side by side. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
