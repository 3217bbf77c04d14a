/**
 * The common part of every PPP control packet: Code, Identifier, Length, and in Configure packets a list of options
 * (RFC 1661 §5, §6). It knows no code and no option; those are in `ppp.ts` and the protocols' own files.
 */
import { Writer, type Reader } from '../bytes.ts';

/** Part of every decoded option. An option built by the engine has no `raw`: its octets follow from its value. */
export interface OptionOctets {
  /** The whole option as received: Type, Length, Data. */
  readonly raw?: Uint8Array;
}

/** An option of a type we do not know, or of a known type with a Length its definition does not allow. */
export interface UnknownOption extends OptionOctets {
  readonly kind: 'unknown';
  readonly type: number;
  readonly raw: Uint8Array;
}

export interface ControlHeader {
  /** Code. */
  readonly number: number;
  readonly identifier: number;
  /** The octets after the header, up to Length. Octets after that are padding (RFC 1661 §5). */
  readonly body: Reader;
  /** Code, Identifier, Length and body. */
  readonly raw: Uint8Array;
}

/** @throws DecodeError for a Length below 4 or beyond the octets received */
export function decodeControlHeader(reader: Reader): ControlHeader {
  const look = reader.fork();
  const number = look.u8('Code');
  const identifier = look.u8('Identifier');
  const body = reader.sub(look.u16('Length'), 'control packet of Length');
  const raw = body.fork().rest();
  body.take(4, 'Code, Identifier and Length within Length');
  return { number, identifier, body, raw };
}

/** A control packet with its Length. @param number Code */
export function encodeControl(
  number: number,
  identifier: number,
  body: (into: Writer) => void,
): Uint8Array {
  return new Writer().u8(number).u8(identifier).counted16(body, 4).finish();
}

/**
 * The options in the rest of `body`, in order, each decoded by `view`.
 *
 * @throws DecodeError for an option Length of 0 or 1 or beyond the packet: such a packet is invalid
 */
export function decodeOptions<Option>(
  body: Reader,
  view: (type: number, raw: Uint8Array) => Option,
): Option[] {
  const options: Option[] = [];
  while (body.remaining > 0) {
    const look = body.fork();
    const type = look.u8('option Type');
    const length = look.u8('option Length');
    if (length < 2) throw look.error(`Length ${length} of option ${type}`);
    options.push(view(type, body.take(length, `option ${type}`)));
  }
  return options;
}

/** Encodes an option that we built: Type, Length, Data. */
export const encodeOption = (type: number, data: Uint8Array): Uint8Array =>
  new Writer()
    .u8(type)
    .u8(data.length + 2)
    .octets(data)
    .finish();
