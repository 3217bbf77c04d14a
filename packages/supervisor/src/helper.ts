/**
 * Client of the helper: sends requests by id, and receives answers in order and notices. It reconnects as long as it
 * lives. The engine decides what a notice means, and what to do without a helper.
 *
 * Theory of operation. A connection counts from the answer to `hello` until it ends. It ends when the helper closes it,
 * when octets violate the protocol, or when a request has waited 15 s without any answer: then the helper hangs. The
 * limit is long because a slow helper may have a long queue or little CPU, and leaving it would end every session.
 * Requests without a connection are dropped: the engine knows that there is no helper, and repeats everything after the
 * next `hello`. The first attempt to reconnect is immediate, because the service manager restarts a helper at once.
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

interface HelperEvents {
  /** The helper has connected; `sessions` are all sessions it knows, with their state. */
  up(sessions: readonly SessionState[]): void;
  /** The helper has gone. Earlier requests will get no answer. */
  down(): void;
  notice(notice: Notice): void;
}

interface HelperOptions {
  readonly path: string;
  readonly log: Log;
  readonly events: HelperEvents;
  /** Milliseconds without an answer, while a request waits, after which the helper counts as hung. */
  readonly patience?: number;
  /** This machine by default. */
  readonly system?: System;
}

interface Pending {
  readonly verb: Verb;
  readonly askedAt: number;
  done(body: unknown): void;
  failed(failure: Failure): void;
  /** The connection ended before the answer. */
  lost(): void;
}

const PATIENCE_MS = 15_000;
/** Delay before each attempt to reconnect; the last one repeats. */
const DELAYS_MS = [0, 20, 40, 80, 160, 250] as const;
/** After a connection this long, the next first attempt is immediate again. */
const LASTED_MS = 1000;
/** Requests without an answer, at most. More mean a hung helper, or a loop of ours. */
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
  /** Time of the last octets. */
  #heardAt = 0;
  /** Time of the last answer. */
  #answeredAt = 0;
  #stopRetry: () => void = () => undefined;
  /** Undefined while no request waits. */
  #stopWatchdog: (() => void) | undefined;
  #isClosed = false;

  constructor(options: HelperOptions) {
    this.#options = options;
    this.#system = options.system ?? thisSystem;
  }

  /** Connect, and reconnect until `close`. */
  start(): void {
    const socket = this.#system.connect(this.#options.path);
    const deframer = new Deframer(MAX_REPLY);
    this.#socket = socket;
    let reason = 'closed by the helper';
    socket.on('connect', () => this.#greet());
    socket.on('data', (chunk) => {
      this.#heardAt = this.#system.now();
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
   * Send a request, if there is a helper. Exactly one of `done` and `failed` is called later, unless the connection
   * ends first.
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

  /** The kernel's counters of a session; undefined if the helper refuses or does not answer. Never rejects. */
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
    this.#answeredAt = this.#heardAt;
    if ('failed' in message) pending.failed(message.failed);
    else pending.done(message.done);
  }

  /** One timer, for the oldest request. */
  #watch(span: number): void {
    this.#stopWatchdog = this.#wakeIn(span, () => {
      // After a suspend the timer is due while the answer is still unread: read it first.
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

  /** Close a connection that is useless. */
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
    // Log once when the connection is lost, and once if it does not return at once.
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
