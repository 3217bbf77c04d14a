/** Fetches the data for the page every second, and at once on a notification. It draws nothing. */
import type { HistoryJson, SampleJson, StatusJson } from '@ppp-thing/supervisor/api';
import type { PageData } from './data.ts';

export interface Fresh {
  readonly status: StatusJson;
  readonly history: HistoryJson | null;
}

interface FeedEvents {
  fresh(fresh: Fresh): void;
  /** Reports why there is no data. The feed retries by itself. */
  away(reason: string): void;
}

const INTERVAL_MS = 1000;
/** Longest wait for an answer. */
const LIMIT_MS = 4000;
/** As many as the supervisor keeps. */
const SAMPLES = 600;

export class Feed {
  readonly #events: FeedEvents;
  #session: string | undefined;
  #samples: SampleJson[] = [];
  /** Start of the supervisor that took these samples. */
  #startedAt = 0;
  #isAsking = false;
  #isWanted = false;
  #timer = 0;
  #changes: EventSource | undefined;

  constructor(events: FeedEvents) {
    this.#events = events;
  }

  /** Start, or continue with this session. */
  show(session: string | undefined): void {
    if (session !== this.#session) this.#samples = [];
    this.#session = session;
    this.#listen();
    void this.#ask();
  }

  /** The page is hidden: stop polling, and free the connection for other pages. */
  pause(): void {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#changes?.close();
    this.#changes = undefined;
  }

  #listen(): void {
    if (this.#changes !== undefined && this.#changes.readyState !== EventSource.CLOSED) return;
    this.#changes = new EventSource('/changes');
    this.#changes.addEventListener('message', () => void this.#ask());
  }

  async #ask(): Promise<void> {
    this.#isWanted = true;
    if (this.#isAsking) return;
    this.#isAsking = true;
    while (this.#isWanted) {
      this.#isWanted = false;
      await this.#askOnce();
    }
    this.#isAsking = false;
    clearTimeout(this.#timer);
    if (this.#changes === undefined) return;
    this.#timer = window.setTimeout(() => {
      this.#listen();
      void this.#ask();
    }, INTERVAL_MS);
  }

  async #askOnce(): Promise<void> {
    const query = new URLSearchParams({ after: String(this.#samples.at(-1)?.time ?? 0) });
    if (this.#session !== undefined) query.set('session', this.#session);
    const asked = this.#session;
    try {
      const signal = AbortSignal.timeout(LIMIT_MS);
      const response = await fetch(`/data?${query.toString()}`, { signal });
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      // The program that served this page answers, so the types match.
      const data: PageData = await response.json();
      if (asked !== this.#session) this.#isWanted = true;
      else if (data.status === null)
        this.#events.away(data.error ?? 'the supervisor does not answer');
      else this.#take(data.status, data.history);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#events.away(`pppthingctl web does not answer (${why.toLowerCase()})`);
    }
  }

  #take(status: StatusJson, history: HistoryJson | null): void {
    if (status.startedAt !== this.#startedAt) {
      const isKnown = this.#startedAt !== 0;
      this.#startedAt = status.startedAt;
      this.#samples = [];
      // The request named a time from the previous process's samples; fetch all of this one's.
      if (isKnown) this.#isWanted = true;
    }
    this.#samples.push(...(history?.samples ?? []));
    this.#samples.splice(0, this.#samples.length - SAMPLES);
    const whole = history === null ? null : { ...history, samples: this.#samples };
    this.#events.fresh({ status, history: whole });
  }
}
