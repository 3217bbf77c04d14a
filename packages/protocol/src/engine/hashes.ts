/** Hashes, randomness and secrets: the engine gets them in its constructor. Nothing else is injected. */

export interface Hashes {
  /** RFC 1321; 16 octets. */
  md5(data: Uint8Array): Uint8Array;
  /** RFC 1320; 16 octets. Only for MS-CHAPv2. */
  md4(data: Uint8Array): Uint8Array;
  /** 20 octets. Only for MS-CHAPv2. */
  sha1(data: Uint8Array): Uint8Array;
  /** One DES block: 8 octets of clear text under a key of 8 octets whose parity bits do not matter. Only for MS-CHAPv2. */
  des(key: Uint8Array, clear: Uint8Array): Uint8Array;
}

/** `length` octets nobody can predict. */
export type Random = (length: number) => Uint8Array;

/** A string that no log and no JSON shows. Only an explicit call returns its text. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '<secret>';
  }

  toJSON(): string {
    return '<secret>';
  }
}
