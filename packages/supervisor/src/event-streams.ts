/**
 * Server-sent events: what happens, as it happens, to any number of readers. What happened is kept once, in a ring that
 * every reader walks at its own speed; nothing is kept for a reader, and one that the ring has left behind is cut off.
 */
import type { ServerResponse } from 'node:http';
import type { OneRequest } from './one-request.ts';
import type { Happening, Supervisor } from './supervisor.ts';
import { eventJson } from './view.ts';

/** Happenings that a reader who comes back, or is slow, can still be told. */
export const KEPT = 1000;
/** Connections that may follow at one time. Fewer than a socket takes, so that there is always room to ask. */
export const MAX_READERS = 400;
/** Characters given to a reader at one time. */
const PORTION = 16 * 1024;

interface Reader {
  readonly response: ServerResponse;
  readonly connection: OneRequest;
  /** The sequence that it is told next. */
  next: number;
  readonly follow: boolean;
  /** Its next portion is in the queue already. */
  isQueued: boolean;
}

export class EventStreams {
  /** Before each sequence, which begins anew with each process: who comes back from an earlier one is told everything. */
  readonly #process: string;
  /** By sequence, modulo KEPT. */
  readonly #ring: string[] = [];
  readonly #readers = new Set<Reader>();
  readonly #unsubscribe: () => void;
  #last = 0;

  constructor(supervisor: Supervisor) {
    this.#process = Math.round(supervisor.startedAt).toString(36);
    this.#unsubscribe = supervisor.subscribe((happening) => this.#tell(happening));
  }

  get isFull(): boolean {
    return this.#readers.size >= MAX_READERS;
  }

  /**
   * Tell `response`, which goes out on `connection`, everything that is kept and, with `follow`, what happens from now on.
   *
   * @param lastId of the last event the reader has; only what came after it is told. If some of that is kept no more,
   *     an event `missed` says how many
   */
  open(
    response: ServerResponse,
    connection: OneRequest,
    lastId: string | undefined,
    follow: boolean,
  ): void {
    if (follow) connection.liftDeadline();
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.flushHeaders();
    const first = this.#first();
    const after = this.#sequenceOf(lastId) + 1;
    if (after > 1 && after < first) {
      response.write(`event: missed\ndata: ${JSON.stringify({ missed: first - after })}\n\n`);
    }
    const next = Math.max(first, after);
    const reader = { response, connection, next, follow, isQueued: false };
    this.#readers.add(reader);
    response.on('close', () => this.#readers.delete(reader));
    response.on('drain', () => this.#feed(reader));
    this.#feed(reader);
  }

  close(): void {
    this.#unsubscribe();
    for (const { response } of this.#readers) response.destroy();
  }

  #first(): number {
    return Math.max(1, this.#last - KEPT + 1);
  }

  /** 0 for none, and for one of another process. */
  #sequenceOf(id: string | undefined): number {
    const [process, digits = ''] = id?.split('-') ?? [];
    if (process !== this.#process || !/^\d{1,15}$/.test(digits)) return 0;
    return Math.min(Number(digits), this.#last);
  }

  #tell(happening: Happening): void {
    this.#last = happening.sequence;
    const id = `${this.#process}-${happening.sequence}`;
    this.#ring[happening.sequence % KEPT] =
      `id: ${id}\ndata: ${JSON.stringify(eventJson(happening))}\n\n`;
    for (const reader of this.#readers) {
      if (!reader.response.writableNeedDrain) this.#feed(reader);
      else if (reader.next < this.#first()) reader.response.destroy();
    }
  }

  /** In its turn. */
  #feed(reader: Reader): void {
    if (reader.isQueued) return;
    reader.isQueued = true;
    reader.connection.pace.run(() => {
      reader.isQueued = false;
      this.#portion(reader);
    });
  }

  /** A portion, if there is one; `drain` asks for more. */
  #portion(reader: Reader): void {
    const { response } = reader;
    if (response.destroyed) return;
    if (reader.next < this.#first()) return void response.destroy();
    let text = '';
    for (; reader.next <= this.#last && text.length < PORTION; reader.next += 1) {
      text += this.#ring[reader.next % KEPT] ?? '';
    }
    const takesMore = text === '' || response.write(text);
    if (!takesMore) return;
    if (reader.next <= this.#last) return this.#feed(reader);
    if (!reader.follow) response.end();
  }
}
