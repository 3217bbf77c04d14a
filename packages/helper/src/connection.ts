/**
 * One supervisor's connection: decodes requests, encodes replies and notices, and limits both. `requests.ts` handles
 * the requests.
 *
 * Replies and edges are never lost: the connection closes if the supervisor does not read them. Frames may be: the
 * connection drops and counts them, as a network card with a full queue does, and reports the count when there is room.
 */
import {
  Deframer,
  FramingError,
  UnfitRequest,
  decodeRequest,
  encodeNotice,
  encodeReply,
} from '@ppp-thing/protocol/ipc/framing';
import type { Notice, Reply, Request } from '@ppp-thing/protocol/ipc/messages';
import { SystemError, type Libc } from './libc.ts';
import type { MainLoop } from './loop.ts';
import { POLLIN, POLLOUT, noSignal } from './unix.ts';

/** Octets in the queue beyond which the connection drops frames. */
const SHED_AT = 256 * 1024;
/** Octets in the queue beyond which the connection closes. */
const CUT_AT = 1024 * 1024;
/**
 * Requests handled before other descriptors have their turn: a flood must not delay the interlock, nor a few slow ones, such
 * as the `hello` of a thousand sessions. Quick requests get a longer turn, because an edge of a thousand sessions brings
 * several requests for each, and every turn polls them all.
 */
const REQUESTS_A_TURN = 16;
const SLOW_TURN_MS = 10;
const MOST_A_TURN = 256;
const TURN_MS = 2;

/** Octets written at once, and what may wait for the end of a turn. */
const BATCH = 64 * 1024;

const SHEDDABLE = new Set<Notice['notice']>(['discovery-frame', 'ppp-frame', 'own-mac-heard']);

interface ConnectionOwner {
  /** The answer to one request. Throws FramingError to end the connection. */
  handle(request: Request): Reply;
  /** The descriptor is closed. `reason` is undefined when the supervisor ended it itself. */
  ended(reason: string | undefined): void;
}

export class Connection {
  readonly #libc: Libc;
  readonly #loop: MainLoop;
  readonly #fd: number;
  readonly #owner: ConnectionOwner;
  readonly #deframer = new Deframer();
  readonly #room = new Uint8Array(64 * 1024);
  readonly #queue: Uint8Array[] = [];
  readonly #shed = new Map<string, number>();
  #queued = 0;
  #events = 0;
  /** The queue is written at the end of this turn of the loop, in one piece. */
  #flushes = false;
  /** The socket took less than was written: the rest waits for POLLOUT. */
  #isFull = false;
  #open = true;
  /** Requests wait for their turn. The connection reads nothing until they are handled. */
  #backlog = false;

  /** @param fd  connected and not blocking; this owns it from now on */
  constructor(libc: Libc, loop: MainLoop, fd: number, owner: ConnectionOwner) {
    this.#libc = libc;
    this.#loop = loop;
    this.#fd = fd;
    this.#owner = owner;
    this.#watch();
  }

  /** Octets that wait for the supervisor to read. */
  get queued(): number {
    return this.#queued;
  }

  notify(notice: Notice): void {
    if (this.#queued > SHED_AT && SHEDDABLE.has(notice.notice) && 'session' in notice) {
      this.#shed.set(notice.session, (this.#shed.get(notice.session) ?? 0) + 1);
      return;
    }
    this.#send(encodeNotice(notice));
  }

  /** Close, and notify the owner of the reason. Queued messages are lost. No effect the second time. */
  close(reason?: string): void {
    if (!this.#open) return;
    this.#open = false;
    if (!this.#isFull) this.#flush();
    this.#loop.unwatch(this.#fd);
    this.#libc.close(this.#fd);
    this.#owner.ended(reason);
  }

  #watch(): void {
    const events = (this.#backlog ? 0 : POLLIN) | (this.#isFull ? POLLOUT : 0);
    if (!this.#open || events === this.#events) return;
    this.#events = events;
    this.#loop.watch(this.#fd, events, (revents) => this.#ready(revents));
  }

  #ready(revents: number): void {
    if ((revents & POLLOUT) !== 0) this.#flush();
    if (!this.#open || this.#backlog || (revents & ~POLLOUT) === 0) return;
    const length = this.#guard(() => this.#libc.read(this.#fd, this.#room));
    if (length === 0) this.close();
    else if (length !== undefined && length > 0) this.#take(this.#room.subarray(0, length));
  }

  /** Handle the requests that `chunk` completes, up to a turn's worth. */
  #take(chunk: Uint8Array): void {
    let handled = 0;
    const began = this.#loop.now();
    this.#backlog = false;
    try {
      for (const message of this.#deframer.push(chunk)) {
        if (!this.#open) return;
        this.#send(encodeReply(this.#replyTo(message)));
        handled += 1;
        const took = this.#loop.now() - began;
        const isQuick = handled < MOST_A_TURN && took < TURN_MS;
        if ((handled < REQUESTS_A_TURN && took < SLOW_TURN_MS) || isQuick) continue;
        this.#backlog = true;
        this.#loop.wake(() => this.#open && this.#take(new Uint8Array(0)));
        break;
      }
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      this.close(error.message);
    }
    this.#watch();
  }

  /** Refuse a value that the protocol does not have, as one that the policy does not allow. */
  #replyTo(message: unknown): Reply {
    try {
      return this.#owner.handle(decodeRequest(message));
    } catch (error) {
      if (!(error instanceof UnfitRequest)) throw error;
      const { id, verb, message: reason } = error;
      return { id, failed: { code: 'EINVAL', verb, subject: 'helper', reason } };
    }
  }

  #send(octets: Uint8Array): void {
    if (!this.#open) return;
    this.#queue.push(octets);
    this.#queued += octets.length;
    if (this.#queued > BATCH && !this.#isFull) this.#flush();
    else if (!this.#flushes && !this.#isFull) {
      this.#flushes = true;
      this.#loop.wake(() => {
        this.#flushes = false;
        if (this.#open) this.#flush();
      });
    }
    if (this.#queued > CUT_AT) this.close('the supervisor does not read its replies');
  }

  /** Write as much as the socket takes. When the queue is empty, report the number of dropped frames. */
  #flush(): void {
    for (let octets = this.#first(); octets !== undefined; octets = this.#first()) {
      const sent = this.#guard(() => this.#libc.sendto(this.#fd, octets, noSignal(this.#libc)));
      this.#isFull = sent === -1;
      if (sent === undefined || this.#isFull) return this.#watch();
      this.#queued -= sent;
      if (sent === octets.length) this.#queue.shift();
      else this.#queue[0] = octets.subarray(sent);
    }
    const shed = [...this.#shed];
    this.#shed.clear();
    for (const [session, frames] of shed) this.notify({ notice: 'dropped', session, frames });
    this.#watch();
  }

  /** The first messages of the queue, as one; undefined if there are none. */
  #first(): Uint8Array | undefined {
    let length = 0;
    const count = this.#queue.findIndex((octets) => (length += octets.length) > BATCH);
    const together = this.#queue.splice(0, count < 0 ? this.#queue.length : Math.max(1, count));
    const [only] = together;
    if (only === undefined) return undefined;
    const octets = together.length === 1 ? only : Buffer.concat(together);
    this.#queue.unshift(octets);
    return octets;
  }

  /** The supervisor may close its end at any moment: that is not an error. */
  #guard(run: () => number): number | undefined {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      const gone = error.code === 'EPIPE' || error.code === 'ECONNRESET';
      this.close(gone ? undefined : error.message);
      return undefined;
    }
  }
}
