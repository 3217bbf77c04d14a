/**
 * Data for a status page: the last ten minutes of each session in samples, its holders, and ownership events. All of it
 * is bounded and lives as long as this process. Traffic is read only while somebody watches, because each reading is a
 * request to the kernel; the rest is always kept. It decides nothing.
 */
import { after, millis, type Instant } from '@ppp-thing/protocol/time';
import type { EventJson, HistoryJson, HolderChangeJson, SampleJson } from './api.ts';
import type { Happening, SessionView, Supervisor } from './supervisor.ts';
import { thisSystem, type System } from './system.ts';
import { eventJson, holderOf, roundedSpan } from './view.ts';

const SAMPLE_INTERVAL = millis(1000);
/** Ten minutes. */
export const SAMPLES = 600;
/** Changes of holder, and ownership events, kept for each session. */
const CHANGES = 100;

/** A reader that has not asked for this long has stopped watching. */
const LOOKS_FOR = millis(10_000);

interface Kept {
  /** Time of the last request. */
  askedAt: Instant | undefined;
  readonly samples: Samples;
  readonly holders: HolderChangeJson[];
  readonly events: EventJson[];
}

type Clock = Pick<System, 'now' | 'wakeAt' | 'wallClock'>;
type HistorySource = Pick<
  Supervisor,
  'routerId' | 'startedAt' | 'session' | 'sessions' | 'subscribe' | 'traffic'
>;

export class History {
  readonly #supervisor: HistorySource;
  readonly #system: Clock;
  readonly #kept = new Map<string, Kept>();
  readonly #unsubscribe: () => void;
  #cancel: () => void = () => undefined;
  #isSampling = false;

  /** Starts at once; `close` ends it. The clock is this system's by default. */
  constructor(supervisor: HistorySource, system: Clock = thisSystem) {
    this.#supervisor = supervisor;
    this.#system = system;
    for (const view of supervisor.sessions()) {
      const { holder, epoch } = view.status.snapshot;
      const first = { time: Math.round(supervisor.startedAt), epoch, isStart: true };
      const holders = [{ ...first, holder: holderOf(holder, supervisor.routerId) }];
      this.#kept.set(view.name, {
        askedAt: undefined,
        samples: new Samples(),
        holders,
        events: [],
      });
    }
    this.#unsubscribe = supervisor.subscribe((happening) => this.#hear(happening));
    this.#arm();
  }

  /** The history of a session, with the samples after `since`, milliseconds since 1970-01-01 UTC. */
  of(name: string, since: number): HistoryJson {
    const kept = this.#kept.get(name);
    if (kept !== undefined) kept.askedAt = this.#system.now();
    return {
      session: name,
      intervalMs: SAMPLE_INTERVAL,
      samples: kept?.samples.after(since) ?? [],
      holders: kept?.holders ?? [],
      events: kept?.events ?? [],
    };
  }

  close(): void {
    this.#unsubscribe();
    this.#cancel();
  }

  #arm(): void {
    this.#cancel = this.#system.wakeAt(after(this.#system.now(), SAMPLE_INTERVAL), () => {
      this.#arm();
      void this.#sample();
    });
  }

  /** Sample every session. No second round starts while the helper takes longer than the interval. */
  async #sample(): Promise<void> {
    if (this.#isSampling) return;
    this.#isSampling = true;
    const time = this.#system.wallClock();
    for (const view of this.#supervisor.sessions()) {
      this.#look(view, time);
      const traffic = this.#isLooked(view.name)
        ? await this.#supervisor.traffic(view.name)
        : undefined;
      const { proven, link } = view.status;
      const { echoRtt } = link;
      this.#kept.get(view.name)?.samples.add({
        time,
        echoRttMs: proven && echoRtt !== undefined ? roundedSpan(echoRtt) : null,
        octetsIn: traffic?.octetsIn ?? null,
        octetsOut: traffic?.octetsOut ?? null,
      });
    }
    this.#isSampling = false;
  }

  #isLooked(name: string): boolean {
    const askedAt = this.#kept.get(name)?.askedAt;
    return askedAt !== undefined && this.#system.now() - askedAt < LOOKS_FOR;
  }

  #hear(happening: Happening): void {
    const view = this.#supervisor.session(happening.session);
    if (view !== undefined) this.#look(view, Math.round(happening.time));
    const { machine, level } = happening.note;
    if (machine !== 'owner' || level === 'debug') return;
    keep(this.#kept.get(happening.session)?.events, CHANGES, eventJson(happening));
  }

  /** Poll the holder: while the partner holds, it may change without an event here. */
  #look({ name, status: { snapshot } }: SessionView, time: number): void {
    const holders = this.#kept.get(name)?.holders;
    const holder = holderOf(snapshot.holder, this.#supervisor.routerId);
    if (holders?.at(-1)?.holder === holder) return;
    keep(holders, CHANGES, { time, holder, epoch: snapshot.epoch, isStart: false });
  }
}

/**
 * The newest SAMPLES of one session in rings, NaN for null: 7 kB, and 10 kB more once somebody has watched its traffic. As
 * objects, those of a thousand sessions would take 80 MB.
 */
export class Samples {
  readonly #times = new Float64Array(SAMPLES);
  readonly #echoes = new Float32Array(SAMPLES);
  /** Octets in, then octets out. */
  #traffic: Float64Array | undefined;
  /** Samples ever added. */
  #count = 0;

  add({ time, echoRttMs, octetsIn, octetsOut }: SampleJson): void {
    const i = this.#count % SAMPLES;
    this.#times[i] = time;
    this.#echoes[i] = echoRttMs ?? NaN;
    if (octetsIn !== null || octetsOut !== null)
      this.#traffic ??= new Float64Array(2 * SAMPLES).fill(NaN);
    this.#traffic?.set([octetsIn ?? NaN, octetsOut ?? NaN], 2 * i);
    this.#count += 1;
  }

  /** The samples later than `since`, oldest first. */
  after(since: number): SampleJson[] {
    const kept = Math.min(this.#count, SAMPLES);
    const numbers = Array.from({ length: kept }, (_, i) => (this.#count - kept + i) % SAMPLES);
    return numbers.map((i) => this.#at(i)).filter(({ time }) => time > since);
  }

  #at(i: number): SampleJson {
    const orNull = (value = NaN): number | null => (Number.isNaN(value) ? null : value);
    return {
      time: this.#times[i] ?? 0,
      // Single precision keeps the hundredths. Rounding removes the error behind them.
      echoRttMs: orNull(roundedSpan(this.#echoes[i] ?? NaN)),
      octetsIn: orNull(this.#traffic?.[2 * i]),
      octetsOut: orNull(this.#traffic?.[2 * i + 1]),
    };
  }
}

function keep<T>(list: T[] | undefined, most: number, item: T): void {
  list?.push(item);
  if (list !== undefined && list.length > most) list.shift();
}
