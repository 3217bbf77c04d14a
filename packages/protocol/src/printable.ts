/**
 * Text for people out of octets that a stranger chose: nothing that could break a log line, a terminal or a bound gets
 * through. It does not judge or decode what it shows.
 */

/**
 * `octets` as printable ASCII. Anything else is shown as `\xNN` and a backslash as `\\`, so that no two values look the
 * same (names in an AC's own script are therefore unreadable, but harmless).
 *
 * @param maxLength characters of the result, 1 or more; what is cut off leaves `…` as the last of them
 */
export function printable(octets: Uint8Array, maxLength = 120): string {
  let text = '';
  for (const octet of octets) {
    const shown = show(octet);
    if (text.length + shown.length > maxLength) return `${text.slice(0, maxLength - 1)}…`;
    text += shown;
  }
  return text;
}

function show(octet: number): string {
  if (octet === 0x5c) return '\\\\';
  if (octet >= 0x20 && octet <= 0x7e) return String.fromCharCode(octet);
  return `\\x${octet.toString(16).padStart(2, '0')}`;
}
