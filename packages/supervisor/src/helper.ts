/**
 * The helper's client: requests by id, their answers in order, and what the helper says unasked. It reconnects for as
 * long as it lives; what a notice means, and what to do without a helper, is the engine's.
 *
 * Theory of operation. A connection counts from the answer to `hello` until it ends, however it ends: closed by the
 * helper, octets that are not the vocabulary, or no answer at all for 15 s while one is owed, which is a helper that hangs:
 * one that answers slowly has a long queue, or little of its processor, and to leave it would end every session. Requests
 * without a connection are dropped: the engine has been told that there is none, and says everything again at the next
 * `hello`. The first attempt to come back is made at once, since a helper's service manager starts it anew at once.
 */
import {
  decodeHelperMessage,
  decodeReplyBody,
  Deframer,
  encodeMessage,
  FramingError,
  isReply,
} from '@ppp-thing/protocol/ipc/framing';
import {
  MAX_REPLY,
  PROTOCOL_VERSION,
  type Failure,
  type Notice,
  type Reply,
  type ReplyBody,
  type RequestBody,
  type SessionState,
  type Verb,
} from '@ppp-thing/protocol/ipc/messages';
import type { Instant } from '@ppp-thing/protocol/time';
import { codeOf } from './errors.ts';
import type { Log } from './log.ts';
import type { HelperView } from './supervisor.ts';
import { thisSystem, type Stream, type System } from './system.ts';

export interface HelperEvents {
  /** The helper is there: every session that it knows, and how it is. */
  up(sessions: readonly SessionState[]): void;
  /** It is there no more. Nothing asked before will be answered. */
  down(): void;
  notice(notice: Notice): void;
}

export interface HelperOptions {
  readonly path: string;
  readonly log: Log;
  readonly events: HelperEvents;
  /** Milliseconds without any answer, while one is owed, after which the helper hangs. */
  readonly patience?: number;
  /** This machine unless given. */
  readonly system?: System;
}

interface Pending {
  readonly verb: Verb;
  readonly askedAt: number;
  done(body: unknown): void;
  failed(failure: Failure): void;
  /** The connection ended first. */
  lost(): void;
}

const PATIENCE_MS = 15_000;
/** Before the first, second … attempt to come back; the last one for all that follow. */
const DELAYS_MS = [0, 20, 40, 80, 160, 250] as const;
/** A connection that lasted so long makes the next first attempt immediate again. */
const LASTED_MS = 1000;
/** Requests in flight: more are a helper that hangs, or a loop of ours. */
const MAX_PENDING = 65_536;

export class HelperClient {
  readonly #options: HelperOptions;
  readonly #system: System;
  readonly #pending = new Map<number, Pending>();
  #socket: Stream | undefined;
  #hello: ReplyBody<'hello'> | undefined;
  #nextId = 0;
  #attempt = 0;
  #reconnects = 0;
  #upAt = 0;
  /** When the last answer came. */
  #answeredAt = 0;
  #stopRetry: () => void = () => undefined;
  /** Undefined while no request waits. */
  #stopWatchdog: (() => void) | undefined;
  #isClosed = false;

  constructor(options: HelperOptions) {
    this.#options = options;
    this.#system = options.system ?? thisSystem;
  }

  /** Connect, now and for ever. */
  start(): void {
    const socket = this.#system.connect(this.#options.path);
    const deframer = new Deframer(MAX_REPLY);
    this.#socket = socket;
    let reason = 'closed by the helper';
    socket.on('connect', () => this.#greet());
    socket.on('data', (chunk) => {
      try {
        for (const value of deframer.push(chunk)) {
          if (socket !== this.#socket) return;
          this.#receive(decodeHelperMessage(value));
        }
      } catch (error) {
        if (!(error instanceof FramingError)) throw error;
        reason = `EPROTO: ${error.message}`;
        socket.destroy();
      }
    });
    socket.on('error', (error) => {
      reason = `${codeOf(error)}: ${ADVICE[codeOf(error)] ?? 'is ppp_thing_helper running?'}`;
    });
    socket.on('close', () => {
      if (socket === this.#socket) this.#ended(reason);
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#stopRetry();
    this.#stopWatchdog?.();
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#hello = undefined;
    this.#forget();
  }

  /**
   * Ask, if there is a helper. Exactly one of `done` and `failed` is called later, unless the connection ends first.
   */
  ask<V extends Verb>(
    verb: V,
    body: RequestBody<V>,
    failed: (failure: Failure) => void,
    done: (body: ReplyBody<V>) => void = () => undefined,
  ): void {
    if (this.#hello === undefined) return;
    this.#send(verb, body, failed, done);
  }

  /** The kernel's counters of a session; undefined if the helper does not answer or refuses. Never rejects. */
  counters(session: string): Promise<ReplyBody<'counters'> | undefined> {
    if (this.#hello === undefined) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const gone = (): void => resolve(undefined);
      this.#send('counters', { session }, gone, resolve, gone);
    });
  }

  view(): HelperView {
    const hello = this.#hello;
    return {
      connected: hello !== undefined,
      reconnects: this.#reconnects,
      ...(hello === undefined ? {} : { platform: hello.platform, pid: hello.pid }),
    };
  }

  #send<V extends Verb>(
    verb: V,
    body: RequestBody<V>,
    failed: (failure: Failure) => void,
    done: (body: ReplyBody<V>) => void,
    lost: () => void = () => undefined,
  ): void {
    if (this.#pending.size >= MAX_PENDING) return this.#drop('ETIMEDOUT: it answers too slowly');
    const id = (this.#nextId = (this.#nextId + 1) >>> 0);
    this.#pending.set(id, {
      verb,
      askedAt: this.#system.now(),
      failed,
      lost,
      done: (answer) => done(decodeReplyBody(verb, answer)),
    });
    this.#socket?.write(encodeMessage({ id, verb, ...body }));
    if (this.#stopWatchdog === undefined) this.#watch(this.#options.patience ?? PATIENCE_MS);
  }

  #greet(): void {
    const refused = ({ code, reason }: Failure): void =>
      this.#drop(
        `${code}: ${reason}, this supervisor ${PROTOCOL_VERSION}: install both of one release`,
      );
    this.#send('hello', { version: PROTOCOL_VERSION }, refused, (hello) => {
      this.#hello = hello;
      this.#upAt = this.#system.now();
      const { platform, pid, sessions } = hello;
      this.#options.log.line('info', `helper: connected: ${platform}, pid ${pid}`);
      this.#options.events.up(sessions);
    });
  }

  #receive(message: Reply | Notice): void {
    if (!isReply(message)) return this.#options.events.notice(message);
    const pending = this.#pending.get(message.id);
    if (pending === undefined) throw new FramingError(`reply ${message.id} was not asked for`);
    this.#pending.delete(message.id);
    this.#answeredAt = this.#system.now();
    if ('failed' in message) pending.failed(message.failed);
    else pending.done(message.done);
  }

  /** One timer, for the request that has waited longest. */
  #watch(span: number): void {
    this.#stopWatchdog = this.#wakeIn(span, () => {
      // A process that was itself asleep finds the timer due and the answer unread: let it be read first.
      this.#system.soon(() => {
        this.#stopWatchdog = undefined;
        const patience = this.#options.patience ?? PATIENCE_MS;
        const [oldest] = this.#pending.values();
        if (oldest === undefined || this.#isClosed) return;
        const silent = this.#system.now() - Math.max(oldest.askedAt, this.#answeredAt);
        if (silent < patience) this.#watch(patience - silent);
        else
          this.#drop(`ETIMEDOUT: no answer for ${Math.round(silent / 1000)} s to ${oldest.verb}`);
      });
    });
  }

  #wakeIn(span: number, wake: () => void): () => void {
    return this.#system.wakeAt((this.#system.now() + span) as Instant, wake);
  }

  /** End a connection that is of no use. */
  #drop(reason: string): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    socket.destroy();
    this.#ended(reason);
  }

  #forget(): void {
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    for (const each of lost) each.lost();
  }

  #ended(reason: string): void {
    this.#socket = undefined;
    if (this.#isClosed) return;
    const wasUp = this.#hello !== undefined;
    this.#hello = undefined;
    this.#forget();
    this.#stopWatchdog?.();
    this.#stopWatchdog = undefined;
    const { path, log, events } = this.#options;
    if (wasUp && this.#system.now() - this.#upAt >= LASTED_MS) this.#attempt = 0;
    const delay = DELAYS_MS[Math.min(this.#attempt, DELAYS_MS.length - 1)] ?? 0;
    this.#attempt += 1;
    this.#stopRetry = this.#wakeIn(delay, () => this.start());
    // Once when it goes, and once if it does not come back at once.
    if (wasUp) log.line('warn', `helper: lost ${path}: ${reason}`);
    else if (this.#attempt === DELAYS_MS.length) {
      log.line('error', `helper: connect ${path}: ${reason}`);
    }
    if (!wasUp) return;
    this.#reconnects += 1;
    events.down();
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'this user is not in the group of the socket',
  EPERM: 'this user may not connect',
};
