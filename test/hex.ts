/**
 * Annotated hexadecimal: octets as digits, one field a line, and after a `#` what they mean. It knows no format.
 */

/**
 * The octets that `text` spells. White space may stand between octets, `#` begins a comment that ends with its line.
 *
 * @throws Error for anything else, half an octet included
 */
export function octetsOf(text: string): Uint8Array {
  const words = text
    .replaceAll(/#.*$/gm, '')
    .split(/\s+/)
    .filter((word) => word !== '');
  for (const word of words) {
    if (!/^([0-9a-f]{2})+$/i.test(word))
      throw new Error(`${word}: not whole octets in hexadecimal`);
  }
  return new Uint8Array(Buffer.from(words.join(''), 'hex'));
}

/** A template of annotated hexadecimal. */
export const hex = (strings: TemplateStringsArray): Uint8Array => octetsOf(strings.raw.join(''));
