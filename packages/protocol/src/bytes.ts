/**
 * Reading and writing octets, big-endian, with every bound checked. A `Reader` that runs past its end throws
 * `DecodeError` and nothing else, so a decoder built on it is total over hostile input.
 */

/** Octets that violate the format. The sender is at fault, never this host. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  /** Octets from the start of the outermost buffer. */
  readonly offset: number;

  constructor(what: string, offset: number) {
    super(`${what} at octet ${offset}`);
    this.offset = offset;
  }
}

/** A cursor over octets. It does not copy them. */
export class Reader {
  readonly #octets: Uint8Array;
  readonly #base: number;
  #at = 0;

  /** @param base offset of `octets` in the outermost buffer, for the offsets in errors */
  constructor(octets: Uint8Array, base = 0) {
    this.#octets = octets;
    this.#base = base;
  }

  /**
   * A reader over a copy of `octets`, as a plain Uint8Array. Values decoded from it stay valid when the receive buffer
   * is reused, so a session may keep them.
   */
  static copy(octets: Uint8Array): Reader {
    return new Reader(new Uint8Array(octets));
  }

  /** Octets not yet read. */
  get remaining(): number {
    return this.#octets.length - this.#at;
  }

  /** Position of the next octet, from the start of the outermost buffer. */
  get offset(): number {
    return this.#base + this.#at;
  }

  /** The next `length` octets, as a view. `what` names the field for the error. */
  take(length: number, what: string): Uint8Array {
    if (length < 0 || length > this.remaining)
      throw this.error(`${what}: ${length} octets wanted, ${this.remaining} left`);
    const view = this.#octets.subarray(this.#at, this.#at + length);
    this.#at += length;
    return view;
  }

  rest(): Uint8Array {
    return this.take(this.remaining, 'rest');
  }

  u8(what: string): number {
    return this.take(1, what)[0] as number;
  }

  u16(what: string): number {
    const octets = this.take(2, what);
    return ((octets[0] as number) << 8) | (octets[1] as number);
  }

  u32(what: string): number {
    return this.u16(what) * 0x1_0000 + this.u16(what);
  }

  u64(what: string): bigint {
    return (BigInt(this.u32(what)) << 32n) | BigInt(this.u32(what));
  }

  /** A reader limited to the next `length` octets. */
  sub(length: number, what: string): Reader {
    const base = this.offset;
    return new Reader(this.take(length, what), base);
  }

  /** A separate reader over the remaining octets: reading it does not move this one. */
  fork(): Reader {
    return new Reader(this.#octets.subarray(this.#at), this.offset);
  }

  error(what: string): DecodeError {
    return new DecodeError(what, this.offset);
  }
}

/** Octets in the order of writing. A value out of range is a bug of ours and throws RangeError. */
export class Writer {
  #octets = new Uint8Array(64);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    return this.#unsigned(value, 1);
  }

  u16(value: number): this {
    return this.#unsigned(value, 2);
  }

  u32(value: number): this {
    return this.#unsigned(value, 4);
  }

  u64(value: bigint): this {
    return this.u32(Number(value >> 32n)).u32(Number(value & 0xffff_ffffn));
  }

  octets(value: Uint8Array): this {
    const at = this.#reserve(value.length); // first: it may put another array in place
    this.#octets.set(value, at);
    return this;
  }

  /** Writes the output of `body`, preceded by its length in octets plus `plus` as a u16. */
  counted16(body: (into: this) => void, plus = 0): this {
    const at = this.#reserve(2);
    const start = this.#length;
    body(this);
    const length = this.#length - start + plus;
    if (length > 0xffff) throw new RangeError(`${length} does not fit in 2 octets`);
    this.#octets[at] = length >> 8;
    this.#octets[at + 1] = length & 0xff;
    return this;
  }

  /** A copy of the octets written. */
  finish(): Uint8Array {
    return this.#octets.slice(0, this.#length);
  }

  #unsigned(value: number, width: number): this {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * width)) {
      throw new RangeError(`${value} does not fit in ${width} octets`);
    }
    const at = this.#reserve(width);
    for (let i = 0; i < width; i++)
      this.#octets[at + i] = Math.floor(value / 2 ** (8 * (width - 1 - i))) & 0xff;
    return this;
  }

  #reserve(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.#octets.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#octets.length * 2));
      larger.set(this.#octets.subarray(0, at));
      this.#octets = larger;
    }
    return at;
  }
}

/** Whether two octet strings are equal. Not constant time: do not use for secrets. */
export function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lower-case hexadecimal, two digits an octet. */
export function toHex(octets: Uint8Array): string {
  let text = '';
  for (const octet of octets) text += octet.toString(16).padStart(2, '0');
  return text;
}

/** Decodes an even number of hexadecimal digits; undefined for anything else. */
export function fromHex(text: string): Uint8Array | undefined {
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) return undefined;
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
