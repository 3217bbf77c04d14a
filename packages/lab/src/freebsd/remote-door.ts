/**
 * Where a `Libc` is let to other processes: each that connects has a process of its own here, which ends when its
 * connection does. It knows no system; what calls mean is the `Libc`'s business.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Deframer, FramingError, encodeMessage } from '@ppp-thing/protocol/ipc/framing';
import { SystemError, type Libc } from '@ppp-thing/helper/libc';
import {
  buffersOf,
  CALL,
  CALLS,
  isCallName,
  LIMIT,
  OPEN_CALLS,
  OPEN_POLL,
  POLL,
  RECEIVED,
  ROOM,
  VERSION,
  type CallName,
} from './remote-calls.ts';

/** A process as the kernel has it. */
export interface Guest {
  readonly libc: Libc;
  /** It is gone without a word: close what it had open. */
  kill(): void;
}

interface RemoteDoorOptions {
  /** A new process. */
  readonly admit: () => Guest;
  /** Called for each call, to run it; `run` throws nothing. */
  readonly around?: (run: () => void) => void;
}

export class RemoteDoor {
  readonly #server: Server;
  readonly #options: RemoteDoorOptions;
  readonly #sockets = new Set<Socket>();
  readonly #guests = new Map<number, Guest>();
  #next = 1;

  constructor(options: RemoteDoorOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#welcome(socket));
  }

  async open(path: string): Promise<void> {
    this.#server.listen(path);
    await once(this.#server, 'listening');
  }

  /** End every process and listen no more. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const guest of this.#guests.values()) guest.kill();
    this.#guests.clear();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #welcome(socket: Socket): void {
    this.#sockets.add(socket);
    const deframer = new Deframer(LIMIT);
    let serve: ((message: unknown) => void) | undefined;
    socket.on('data', (chunk: Uint8Array) => {
      try {
        for (const message of deframer.push(chunk)) {
          if (serve === undefined) serve = this.#begin(socket, message);
          else serve(message);
        }
      } catch (error) {
        if (!(error instanceof FramingError)) throw error;
        socket.destroy();
      }
    });
    // A process that is killed leaves a broken connection.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  /** What serves the messages that follow the first. */
  #begin(socket: Socket, opening: unknown): (message: unknown) => void {
    if (OPEN_CALLS.is(opening) && opening.version === VERSION) {
      const guest = this.#options.admit();
      const process = this.#next++;
      this.#guests.set(process, guest);
      socket.on('close', () => {
        if (this.#guests.delete(process)) this.#around(() => guest.kill());
      });
      say(socket, { platform: guest.libc.platform, process });
      return (message) => this.#call(socket, guest, message);
    }
    const guest = OPEN_POLL.is(opening) ? this.#guests.get(opening.process) : undefined;
    if (guest === undefined) throw new FramingError('not an opening of our version');
    return (message) => void this.#poll(socket, guest, message);
  }

  #around(run: () => void): void {
    (this.#options.around ?? ((it) => it()))(run);
  }

  #call(socket: Socket, { libc }: Guest, message: unknown): void {
    if (!CALL.is(message) || !isCallName(message.call)) throw new FramingError('not a call');
    const { call, args } = message;
    let answer: unknown;
    let fault: unknown;
    this.#around(() => {
      try {
        answer = perform(libc, call, args);
      } catch (error) {
        if (error instanceof SystemError) answer = failure(error);
        else fault = error;
      }
    });
    if (fault !== undefined) throw fault;
    say(socket, answer);
  }

  async #poll(socket: Socket, { libc }: Guest, message: unknown): Promise<void> {
    if (!POLL.is(message)) return void socket.destroy();
    const entries = message.entries.map((entry) => ({ ...entry, revents: 0 }));
    try {
      const found = await libc.poll(entries, message.timeoutMs);
      say(socket, { found, revents: entries.map(({ revents }) => revents) });
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      say(socket, failure(error));
    }
  }
}

const failure = ({ call, code, errno }: SystemError): unknown => ({
  failed: { call, code, errno },
});

function say(socket: Socket, message: unknown): void {
  if (!socket.destroyed) socket.write(encodeMessage(message, LIMIT));
}

function perform(libc: Libc, call: CallName, asked: readonly unknown[]): unknown {
  const args = asked.map((each) =>
    ROOM.is(each) ? new Uint8Array(each.room) : (each ?? undefined),
  );
  const done: unknown = Reflect.apply(libc[call], libc, args);
  const buffers = buffersOf(args);
  const lengths = CALLS[call].length === 0 ? [] : givenBy(done);
  const cut = buffers.map((each, i) => each.subarray(0, Math.max(0, lengths[i] ?? each.length)));
  return { done: done ?? null, buffers: cut };
}

/** Octets in each of the buffers that a call has filled. */
const givenBy = (done: unknown): readonly number[] =>
  RECEIVED.is(done) ? [done.length, done.fromLength] : typeof done === 'number' ? [done] : [];
