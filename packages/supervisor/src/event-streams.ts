/**
 * Server-sent events: what happens, as it happens, to any number of readers. A reader who does not keep up is cut off
 * and resumes by `Last-Event-ID`; nothing is kept for it.
 */
import type { ServerResponse } from 'node:http';
import type { Happening, Supervisor } from './supervisor.ts';
import { eventJson } from './view.ts';

/** Happenings that a reader who comes back can still be told. */
const KEPT = 1000;
/** Octets that may wait for one reader. */
const MAX_WAITING = 64 * 1024;

export class EventStreams {
  readonly #kept: Happening[] = [];
  readonly #readers = new Set<ServerResponse>();
  readonly #unsubscribe: () => void;

  constructor(supervisor: Supervisor) {
    this.#unsubscribe = supervisor.subscribe((happening) => this.#tell(happening));
  }

  /**
   * Tell `response` everything kept after `last` (everything kept, if that is not a number), and, with `follow`, what
   * happens from now on.
   */
  open(response: ServerResponse, last: number, follow: boolean): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.flushHeaders();
    for (const happening of this.#kept) {
      if (!(happening.sequence <= last)) response.write(frame(happening));
    }
    if (!follow) {
      response.end();
      return;
    }
    this.#readers.add(response);
    response.on('close', () => this.#readers.delete(response));
  }

  close(): void {
    this.#unsubscribe();
    for (const reader of this.#readers) reader.destroy();
  }

  #tell(happening: Happening): void {
    this.#kept.push(happening);
    if (this.#kept.length > KEPT) this.#kept.shift();
    const text = frame(happening);
    for (const reader of this.#readers) {
      reader.write(text);
      if (reader.writableLength > MAX_WAITING) reader.destroy();
    }
  }
}

const frame = (happening: Happening): string =>
  `id: ${happening.sequence}\ndata: ${JSON.stringify(eventJson(happening))}\n\n`;
