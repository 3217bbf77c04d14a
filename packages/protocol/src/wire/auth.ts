/**
 * PAP (RFC 1334 §2) and CHAP (RFC 1994 §4; MS-CHAPv2 uses the same packets, RFC 2759 §4–§6). The engine interprets a
 * Value or a Message.
 */
import type { Reader } from '../bytes.ts';
import { decodeControlHeader, encodeControl } from './control.ts';

export type PapPacket =
  | {
      readonly code: 'Authenticate-Request';
      readonly identifier: number;
      readonly peerId: Uint8Array;
      readonly password: Uint8Array;
    }
  | {
      readonly code: 'Authenticate-Ack' | 'Authenticate-Nak';
      readonly identifier: number;
      readonly message: Uint8Array;
    };

export type ChapPacket =
  | {
      readonly code: 'Challenge' | 'Response';
      readonly identifier: number;
      readonly value: Uint8Array;
      readonly name: Uint8Array;
    }
  | {
      readonly code: 'Success' | 'Failure';
      readonly identifier: number;
      readonly message: Uint8Array;
    };

const PAP_CODE = {
  'Authenticate-Request': 1,
  'Authenticate-Ack': 2,
  'Authenticate-Nak': 3,
} as const;
const CHAP_CODE = { Challenge: 1, Response: 2, Success: 3, Failure: 4 } as const;

/**
 * A PAP packet. Octets within Length that belong to no field are ignored, as are those after it.
 *
 * @throws DecodeError for a bad Length, a field beyond it, or another Code: RFC 1334 §2.2 discards those silently
 */
export function decodePap(reader: Reader): PapPacket {
  const { number, identifier, body } = decodeControlHeader(reader);
  switch (number) {
    case PAP_CODE['Authenticate-Request']:
      return {
        code: 'Authenticate-Request',
        identifier,
        peerId: body.take(body.u8('Peer-ID Length'), 'Peer-ID'),
        password: body.take(body.u8('Passwd-Length'), 'Password'),
      };
    case PAP_CODE['Authenticate-Ack']:
      return { code: 'Authenticate-Ack', identifier, message: papMessage(body) };
    case PAP_CODE['Authenticate-Nak']:
      return { code: 'Authenticate-Nak', identifier, message: papMessage(body) };
    default:
      throw body.error(`PAP Code ${number}`);
  }
}

export function encodePap(packet: PapPacket): Uint8Array {
  return encodeControl(PAP_CODE[packet.code], packet.identifier, (into) => {
    if ('peerId' in packet) {
      into.u8(packet.peerId.length).octets(packet.peerId);
      into.u8(packet.password.length).octets(packet.password);
    } else {
      into.u8(packet.message.length).octets(packet.message);
    }
  });
}

/**
 * A CHAP packet. Length bounds Value-Size; the engine checks the Value's length for its method.
 *
 * @throws DecodeError for a bad Length, a Value beyond it or empty (RFC 1994 §4.1: one or more octets), or another Code
 */
export function decodeChap(reader: Reader): ChapPacket {
  const { number, identifier, body } = decodeControlHeader(reader);
  switch (number) {
    case CHAP_CODE.Challenge:
      return { code: 'Challenge', identifier, value: chapValue(body), name: body.rest() };
    case CHAP_CODE.Response:
      return { code: 'Response', identifier, value: chapValue(body), name: body.rest() };
    case CHAP_CODE.Success:
      return { code: 'Success', identifier, message: body.rest() };
    case CHAP_CODE.Failure:
      return { code: 'Failure', identifier, message: body.rest() };
    default:
      throw body.error(`CHAP Code ${number}`);
  }
}

export function encodeChap(packet: ChapPacket): Uint8Array {
  return encodeControl(CHAP_CODE[packet.code], packet.identifier, (into) => {
    if ('value' in packet) {
      into.u8(packet.value.length).octets(packet.value).octets(packet.name);
    } else {
      into.octets(packet.message);
    }
  });
}

/** Msg-Length and Message. We accept an Ack or Nak that leaves out Msg-Length, because widely used servers do. */
function papMessage(body: Reader): Uint8Array {
  return body.remaining === 0 ? body.rest() : body.take(body.u8('Msg-Length'), 'Message');
}

function chapValue(body: Reader): Uint8Array {
  const size = body.u8('Value-Size');
  if (size === 0) throw body.error('Value-Size of 0');
  return body.take(size, 'Value');
}
