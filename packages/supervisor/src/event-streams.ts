/**
 * Server-sent events: what happens, as it happens, to any number of readers. What happened is kept once, in a ring that
 * every reader walks at its own speed; nothing is kept for a reader, and one that the ring has left behind is cut off.
 */
import type { ServerResponse } from 'node:http';
import type { Happening, Supervisor } from './supervisor.ts';
import { eventJson } from './view.ts';

/** Happenings that a reader who comes back, or is slow, can still be told. */
export const KEPT = 1000;
/** Connections that may follow at one time. Fewer than a socket takes, so that there is always room to ask. */
export const MAX_READERS = 400;

interface Reader {
  readonly response: ServerResponse;
  /** The sequence that it is told next. */
  next: number;
  readonly follow: boolean;
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
   * Tell `response` everything that is kept and, with `follow`, what happens from now on.
   *
   * @param lastId of the last event the reader has; only what came after it is told. If some of that is kept no more,
   *     an event `missed` says how many
   */
  open(response: ServerResponse, lastId: string | undefined, follow: boolean): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.flushHeaders();
    const first = this.#first();
    const after = this.#sequenceOf(lastId) + 1;
    if (after > 1 && after < first) {
      response.write(`event: missed\ndata: ${JSON.stringify({ missed: first - after })}\n\n`);
    }
    const reader = { response, next: Math.max(first, after), follow };
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

  /** As much as the reader takes now; `drain` asks for more. */
  #feed(reader: Reader): void {
    const { response } = reader;
    if (reader.next < this.#first()) {
      response.destroy();
      return;
    }
    while (reader.next <= this.#last) {
      const text = this.#ring[reader.next % KEPT] ?? '';
      reader.next += 1;
      if (!response.write(text)) return;
    }
    if (!reader.follow) response.end();
  }
}
