/** PAP (RFC 1334 §2) and CHAP (RFC 1994 §4; MS-CHAPv2 uses the same packets, RFC 2759 §4–§6). */

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

export const PAP_CODE = {
  'Authenticate-Request': 1,
  'Authenticate-Ack': 2,
  'Authenticate-Nak': 3,
} as const;
export const CHAP_CODE = { Challenge: 1, Response: 2, Success: 3, Failure: 4 } as const;
