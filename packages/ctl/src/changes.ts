/**
 * Notifies open status pages that something has happened, so that they poll at once. All pages share one stream from
 * the supervisor, resumed where it broke off. The notification has no content: a page reads the current status.
 */
import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { CtlError, type Sockets } from './client.ts';
import { stream } from './events.ts';

/** Pages notified at one time, at most. */
const MAX_PAGES = 24;
/** Events closer together than this make one notification. */
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

  /** Notify this page from now on. Returns false, and does nothing, if there are too many. */
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
      // The supervisor has gone away, or was not there: the pages must show that too.
      this.#tell();
      await wait(RETRY_MS, undefined, { signal: ours.signal }).catch(() => undefined);
    }
  }

  #tell(): void {
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      for (const page of this.#pages) {
        // A page that reads slowly loses nothing: its next poll reads the current status.
        if (!page.writableNeedDrain) page.write('data: changed\n\n');
      }
    }, TOGETHER_MS);
  }
}
