/**
 * Server-sent events for any number of readers. Events are stored once, in a ring that every reader walks at its own
 * speed. Nothing is stored per reader; a reader that falls behind the ring is disconnected. It does not interpret
 * events.
 */
import type { ServerResponse } from 'node:http';
import type { OneRequest } from './one-request.ts';
import type { Happening, Supervisor } from './supervisor.ts';
import { eventJson } from './view.ts';

/** Events kept for readers that reconnect or are slow. */
export const KEPT = 1000;
/** Readers at one time. Fewer than the connections of a socket, so that requests always find one. */
export const MAX_READERS = 400;
/** Characters given to a reader at once. */
const PORTION = 16 * 1024;

interface Reader {
  readonly response: ServerResponse;
  readonly connection: OneRequest;
  /** Sequence of the next event for this reader. */
  next: number;
  readonly follow: boolean;
  /** Its next portion is already queued. */
  isQueued: boolean;
}

export class EventStreams {
  /** Prefix that identifies this process, so a client that reconnects after a restart gets the full history. */
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
   * Send `response`, on `connection`, all kept events and, with `follow`, later ones as they happen.
   *
   * @param lastId id of the reader's last event; only later events are sent. If some of those are no longer kept, an
   * event `missed` says how many
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

  /** 0 for no id, and for an id of another process. */
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

  /** Queue the reader's next portion. */
  #feed(reader: Reader): void {
    if (reader.isQueued) return;
    reader.isQueued = true;
    reader.connection.pace.run(() => {
      reader.isQueued = false;
      this.#portion(reader);
    });
  }

  /** Write a portion, if there is one; on `drain` the next is queued. */
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
