/**
 * Lists of sections: Type (u8), Length (u16, octets after it), value; Types ascending. A reader skips unknown Types, so
 * a later version can add some. Each format defines its own Types.
 */
import { Reader, type Writer } from '../bytes.ts';

/** One section to write. Undefined values are left out. */
export type Section = readonly [type: number, value: Uint8Array | undefined];

/** @param sections by ascending Type */
export function encodeSections(into: Writer, sections: readonly Section[]): void {
  for (const [type, value] of sections) {
    if (value !== undefined) into.u8(type).counted16((body) => body.octets(value));
  }
}

/**
 * Reads every section in the rest of `reader`, and gives each a reader of its own.
 *
 * @throws DecodeError for a section beyond the end, or one whose Type is not above the previous one
 */
export function decodeSections(reader: Reader): ReadonlyMap<number, Reader> {
  const sections = new Map<number, Reader>();
  let last = -1;
  while (reader.remaining > 0) {
    const type = reader.u8('section Type');
    if (type <= last) throw reader.error(`section ${type} after section ${last}`);
    last = type;
    sections.set(type, reader.sub(reader.u16('section Length'), `section ${type}`));
  }
  return sections;
}
