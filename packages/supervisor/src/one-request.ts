/**
 * A connection that gives the HTTP server one request: a few octets at a time, each piece in its turn, all within a
 * deadline. So a client costs one small piece of work a turn, whatever it sends. It parses nothing.
 */
import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import type { Pace } from './pace.ts';

/** Octets given to the parser at once: the head of an ordinary request. */
const PIECE = 512;
/** Octets waiting to be parsed, at most. One request is smaller, so a client with more is sending several. */
const MOST_AHEAD = 16 * 1024;
/** Time for the request to arrive and for the client to read the answer. */
const DEADLINE_MS = 10_000;

export class OneRequest extends Duplex {
  readonly pace: Pace;
  readonly #socket: Socket;
  readonly #deadline: NodeJS.Timeout;
  #isAsked = false;
  #isQueued = false;

  /** @param socket connected and unread; this class owns it from now on */
  constructor(socket: Socket, pace: Pace) {
    super({ allowHalfOpen: true });
    this.pace = pace;
    this.#socket = socket;
    this.#deadline = setTimeout(() => this.destroy(), DEADLINE_MS);
    socket.on('readable', () => this.#more());
    socket.on('end', () => this.push(null));
    socket.on('error', () => this.destroy());
    socket.on('close', () => this.destroy());
  }

  /** Let the connection last: other limits cut off its reader. */
  liftDeadline(): void {
    clearTimeout(this.#deadline);
  }

  override _read(): void {
    this.#isAsked = true;
    this.#more();
  }

  override _write(
    chunk: Uint8Array,
    _encoding: string,
    done: (error?: Error | null) => void,
  ): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#deadline);
    this.#socket.destroy();
    done(error);
  }

  #more(): void {
    const waiting = this.#socket.readableLength;
    if (waiting > MOST_AHEAD) return void this.destroy();
    // Read nothing, but let the stream notice the end.
    if (waiting === 0) return void this.#socket.read(0);
    if (!this.#isAsked || this.#isQueued) return;
    this.#isQueued = true;
    this.pace.run(() => {
      this.#isQueued = false;
      this.#give();
    });
  }

  #give(): void {
    if (this.destroyed) return;
    const piece: unknown = this.#socket.read(Math.min(PIECE, this.#socket.readableLength));
    if (piece === null) return;
    this.#isAsked = false;
    this.push(piece);
  }
}
