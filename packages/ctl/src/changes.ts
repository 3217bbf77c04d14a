/**
 * Tells open pages that something has happened, so that they look at once: one stream from the supervisor, however many
 * pages there are, resumed where it broke off. What happened is not told; a page reads what is.
 */
import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { CtlError, type Sockets } from './client.ts';
import { stream } from './events.ts';

/** Pages that are told at one time. */
const MAX_PAGES = 24;
/** Events closer together than this are told as one. */
const TOGETHER_MS = 50;
const RETRY_MS = 500;

export class Changes {
  readonly #sockets: Sockets;
  readonly #pages = new Set<ServerResponse>();
  /** Ends the stream from the supervisor; undefined while no page is open. */
  #following: AbortController | undefined;
  #telling: NodeJS.Timeout | undefined;

  constructor(sockets: Sockets) {
    this.#sockets = sockets;
  }

  /** Tell this one too, from now on. False, and nothing done, if there are too many. */
  open(response: ServerResponse): boolean {
    if (this.#pages.size >= MAX_PAGES) return false;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('retry: 1000\n\n');
    this.#pages.add(response);
    response.on('close', () => this.#leave(response));
    if (this.#following === undefined) void this.#follow();
    return true;
  }

  close(): void {
    for (const page of this.#pages) page.destroy();
    this.#following?.abort();
    clearTimeout(this.#telling);
  }

  #leave(page: ServerResponse): void {
    this.#pages.delete(page);
    if (this.#pages.size > 0) return;
    this.#following?.abort();
    this.#following = undefined;
  }

  async #follow(): Promise<void> {
    const ours = new AbortController();
    this.#following = ours;
    const sockets = { ...this.#sockets, signal: ours.signal };
    let lastId: string | undefined;
    while (!ours.signal.aborted) {
      try {
        for await (const { id } of stream(sockets, true, lastId)) {
          lastId = id ?? lastId;
          this.#tell();
        }
      } catch (error) {
        if (!(error instanceof CtlError) && !ours.signal.aborted) throw error;
      }
      // The supervisor has gone away, or was not there: that is worth a look too.
      this.#tell();
      await wait(RETRY_MS, undefined, { signal: ours.signal }).catch(() => undefined);
    }
  }

  #tell(): void {
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      for (const page of this.#pages) {
        // A page that reads slower than things happen misses nothing by it: it will read what is.
        if (!page.writableNeedDrain) page.write('data: changed\n\n');
      }
    }, TOGETHER_MS);
  }
}
