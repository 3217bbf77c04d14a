/**
 * Messages on a stream: a 4-octet big-endian length, then one msgpack value of at most 64 KiB. It knows the shape of
 * every message, and nothing about sockets.
 */
import {
  DONE,
  FAILED,
  MAX_MESSAGE,
  MAX_REPLY,
  NOTICES,
  REPLIES,
  REQUESTS,
  type Notice,
  type NoticeKind,
  type Reply,
  type ReplyBody,
  type Request,
  type Verb,
} from './messages.ts';
import { pack, unpack } from './msgpack.ts';
import type { Shape } from './schema.ts';

const PREFIX = 4;
/** Initial octets of a reader's buffer. */
const FIRST_ROOM = 1024;

/** The other end broke the protocol. Nothing after this can be trusted, so the caller closes the connection. */
export class FramingError extends Error {
  override readonly name = 'FramingError';
}

/** Encodes one message with its length. Larger than `limit`: RangeError, a bug of ours. */
export function encodeMessage(value: unknown, limit = MAX_MESSAGE): Uint8Array {
  const body = pack(value).finish();
  if (body.length > limit)
    throw new RangeError(`message of ${body.length} octets, at most ${limit}`);
  const framed = new Uint8Array(PREFIX + body.length);
  new DataView(framed.buffer).setUint32(0, body.length);
  framed.set(body, PREFIX);
  return framed;
}

export const encodeReply = (reply: Reply): Uint8Array => encodeMessage(reply, MAX_REPLY);
export const encodeNotice = (notice: Notice): Uint8Array => encodeMessage(notice);

/** Cuts a stream into values. It keeps at most one incomplete message and the last chunk. */
export class Deframer {
  readonly #limit: number;
  /** Octets received and not yet decoded are in `#room`, from `#start` to `#end`. */
  #room = new Uint8Array(FIRST_ROOM);
  #start = 0;
  #end = 0;

  /** @param limit octets of one message: the supervisor accepts longer ones than the helper */
  constructor(limit = MAX_MESSAGE) {
    this.#limit = limit;
  }

  /** Octets of an incomplete message. */
  get pending(): number {
    return this.#end - this.#start;
  }

  /**
   * Copies `chunk`, and yields the messages it completes, in order, as unchecked values. The iteration throws
   * `FramingError` at the first octets that cannot be a message, after it has yielded the messages before them.
   */
  push(chunk: Uint8Array): Iterable<unknown> {
    this.#makeRoom(chunk.length);
    this.#room.set(chunk, this.#end);
    this.#end += chunk.length;
    return this.#complete();
  }

  /** Doubles the buffer, so that a message arriving octet by octet is not copied each time. */
  #makeRoom(octets: number): void {
    if (this.#end + octets <= this.#room.length) return;
    const held = this.#room.subarray(this.#start, this.#end);
    const needed = held.length + octets;
    const room = needed * 2 > this.#room.length ? new Uint8Array(needed * 2) : this.#room;
    room.set(held);
    this.#room = room;
    this.#start = 0;
    this.#end = held.length;
  }

  *#complete(): Iterable<unknown> {
    while (this.pending >= PREFIX) {
      const length = new DataView(this.#room.buffer).getUint32(this.#start);
      if (length > this.#limit)
        throw new FramingError(`message of ${length} octets, at most ${this.#limit}`);
      const body = this.#start + PREFIX;
      if (this.#end < body + length) return;
      this.#start = body + length;
      yield decodeValue(this.#room.subarray(body, this.#start));
    }
  }
}

function decodeValue(body: Uint8Array): unknown {
  try {
    // Copy the message first; otherwise a kept byte field would pin the whole read buffer.
    return unpack(body.slice());
  } catch (cause) {
    throw new FramingError('not one plain msgpack value', { cause });
  }
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isVerb = (name: unknown): name is Verb =>
  typeof name === 'string' && Object.hasOwn(REQUESTS, name);

const isNoticeKind = (name: unknown): name is NoticeKind =>
  typeof name === 'string' && Object.hasOwn(NOTICES, name);

const isId = (id: unknown): id is number =>
  typeof id === 'number' && Number.isInteger(id) && id >= 0 && id <= 0xffff_ffff;

type Envelope = Fields & { readonly id: number; readonly verb: Verb };

const isEnvelope = (value: unknown): value is Envelope =>
  isFields(value) && isId(value['id']) && isVerb(value['verb']);

const isRequest = (value: Envelope): value is Envelope & Request => {
  const { id: _id, verb, ...body } = value;
  return REQUESTS[verb].is(body);
};

const isNotice = (value: unknown): value is Notice => {
  if (!isFields(value) || !isNoticeKind(value['notice'])) return false;
  const { notice, ...body } = value;
  return NOTICES[notice].is(body);
};

/** A known verb with a malformed body. The helper can answer it, and can still read the messages after it. */
export class UnfitRequest extends FramingError {
  readonly id: number;
  readonly verb: Verb;

  constructor({ id, verb }: Envelope) {
    super(`${verb} with fields or values that it does not have`);
    this.id = id;
    this.verb = verb;
  }
}

/** Checks a request. Throws FramingError for anything else: an UnfitRequest if the helper can still answer it. */
export function decodeRequest(value: unknown): Request {
  if (!isEnvelope(value)) throw new FramingError('not a request');
  if (!isRequest(value)) throw new UnfitRequest(value);
  return value;
}

/** Checks a message of the helper's: a reply or a notice. Throws FramingError for anything else. */
export function decodeHelperMessage(value: unknown): Reply | Notice {
  if (DONE.is(value) || FAILED.is(value) || isNotice(value)) return value;
  throw new FramingError('neither a reply nor a notice');
}

export const isReply = (message: Reply | Notice): message is Reply => !('notice' in message);

/** Checks the body of a reply to `verb`. Throws FramingError if it does not fit. */
export function decodeReplyBody<V extends Verb>(verb: V, done: unknown): ReplyBody<V> {
  if (!isReplyBody(verb, done)) throw new FramingError(`not a reply to ${verb}`);
  return done;
}

const replies: Partial<Record<Verb, Shape<unknown>>> = REPLIES;

const isReplyBody = <V extends Verb>(verb: V, done: unknown): done is ReplyBody<V> => {
  const shape = replies[verb];
  return shape === undefined ? done === null : shape.is(done);
};
