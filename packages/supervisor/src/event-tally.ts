/**
 * Counts the events of each session since this process started, for alarms: dials, takeovers, handoffs, ends of
 * sessions, and the duration of takeovers. It reads the events of the log, and decides nothing.
 */
import type { Note } from '@ppp-thing/protocol/engine/events';
import type { Happening, Supervisor } from './supervisor.ts';

/** Upper bounds of the histogram of takeovers, seconds. */
export const TAKEOVER_BOUNDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5] as const;

/** Maps text of the log to a closed set, so that no peer can create labels; the first match wins. */
const CAUSES: readonly (readonly [RegExp, string])[] = [
  [/^role /, 'role'],
  [/partner|claim|handoff/i, 'partner'],
  [/hold-down|start/i, 'start'],
];
const ENDINGS: readonly (readonly [RegExp, string])[] = [
  [/PADT/, 'padt'],
  [/terminate/i, 'terminate'],
  [/Echo/, 'echo'],
  [/CHAP|PAP|auth/i, 'authentication'],
  [/kernel|helper/, 'kernel'],
  [/operator|disconnect|hang/i, 'operator'],
];

/** Every class starts at 0: a new series would show no increase for its first event. */
const zeros = (classes: readonly (readonly [RegExp, string])[]): Map<string, number> =>
  new Map([...classes.map(([, name]) => name), 'other'].map((name) => [name, 0]));

const classOf = (classes: readonly (readonly [RegExp, string])[], text: string): string =>
  classes.find(([pattern]) => pattern.test(text))?.[1] ?? 'other';

export interface Events {
  readonly dials: number;
  readonly takeovers: ReadonlyMap<string, number>;
  readonly handoffs: ReadonlyMap<string, number>;
  readonly ended: ReadonlyMap<string, number>;
  /** Seconds from each takeover to the AC's first answer: a count per bound, the total count, and the sum. */
  readonly proven: {
    readonly within: readonly number[];
    readonly count: number;
    readonly sum: number;
  };
}

class Counts {
  dials = 0;
  readonly takeovers = zeros(CAUSES);
  readonly handoffs = new Map<string, number>([
    ['done', 0],
    ['undone', 0],
  ]);
  readonly ended = zeros(ENDINGS);
  /** A session has come up on this router, and has not ended. */
  isUp = false;
  readonly proven = { within: TAKEOVER_BOUNDS.map(() => 0), count: 0, sum: 0 };
  /** Start of the takeover counted in `proven`. */
  lastProven: number | undefined;
}

const add = (counts: Map<string, number>, key: string): void =>
  void counts.set(key, (counts.get(key) ?? 0) + 1);

export class EventTally {
  readonly #supervisor: Supervisor;
  readonly #sessions = new Map<string, Counts>();
  readonly close: () => void;

  constructor(supervisor: Supervisor) {
    this.#supervisor = supervisor;
    this.close = supervisor.subscribe((happening) => this.#hear(happening));
  }

  of(session: string): Events {
    return this.#counts(session);
  }

  #counts(session: string): Counts {
    const counts = this.#sessions.get(session) ?? new Counts();
    this.#sessions.set(session, counts);
    return counts;
  }

  #hear({ session, note }: Happening): void {
    const counts = this.#counts(session);
    const { machine, from, to, on } = note;
    if (machine === 'link') this.#link(counts, note);
    if (machine === 'owner' && to === 'Holding' && note.actions?.includes('take') === true)
      add(counts.takeovers, classOf(CAUSES, on));
    if (machine === 'owner' && from === 'Yielding' && (to === 'Standby' || to === 'Holding'))
      add(counts.handoffs, to === 'Standby' ? 'done' : 'undone');
    if (note.facts?.['proven'] === true) this.#proven(session, counts);
  }

  #link(counts: Counts, { from, to, on }: Note): void {
    if (to === 'Discovery' && from !== to) counts.dials += 1;
    if (on === 'opened' || on === 'resume') counts.isUp = true;
    // An orderly end goes through the phase Terminate. A session that is suspended has only moved.
    if (to !== 'Dead') return;
    if (counts.isUp && on !== 'suspend') add(counts.ended, classOf(ENDINGS, on));
    counts.isUp = false;
  }

  #proven(session: string, counts: Counts): void {
    const last = this.#supervisor.session(session)?.status.lastTakeover;
    if (last?.provenAfter === undefined || last.at === counts.lastProven) return;
    counts.lastProven = last.at;
    const seconds = last.provenAfter / 1000;
    counts.proven.count += 1;
    counts.proven.sum += seconds;
    for (const [i, bound] of TAKEOVER_BOUNDS.entries())
      if (seconds <= bound) counts.proven.within[i] = (counts.proven.within[i] ?? 0) + 1;
  }
}
