/** The session's history in sentences, newest first: changes of holder, and other ownership events. Pure. */
import type {
  EventJson,
  HistoryJson,
  HolderChangeJson,
  StatusJson,
} from '@ppp-thing/supervisor/api';
import { holderName, routerName } from './model.ts';

export interface Entry {
  readonly time: number;
  /** A change of holder; the page shows other entries smaller. */
  readonly isMove: boolean;
  readonly text: string;
  readonly detail: string;
}

/** Longest time between a change of holder and the ownership event that caused it. */
const TOGETHER_MS = 1500;

export function timelineOf(history: HistoryJson, status: StatusJson): Entry[] {
  const told = new Set<EventJson>();
  const moves = history.holders.map((change): Entry => {
    const cause = change.isStart ? undefined : causeOf(change, history.events);
    if (cause !== undefined) told.add(cause);
    return moveOf(change, cause, status);
  });
  const rest = history.events
    .filter((event) => !told.has(event))
    .map((event): Entry => ({ time: event.time, isMove: false, ...sentence(event, status) }));
  // Reverse both lists first, so that entries with the same time are newest first too.
  return [...newestFirst(moves), ...newestFirst(rest)].sort((a, b) => b.time - a.time);
}

function causeOf(change: HolderChangeJson, events: readonly EventJson[]): EventJson | undefined {
  const word = change.holder === 'this router' ? 'Holding' : 'Standby';
  return events
    .filter(
      ({ from, to, time }) =>
        to === word && from !== 'Waiting' && Math.abs(time - change.time) < TOGETHER_MS,
    )
    .sort((a, b) => Math.abs(a.time - change.time) - Math.abs(b.time - change.time))[0];
}

function moveOf(
  { time, holder, epoch, isStart }: HolderChangeJson,
  cause: EventJson | undefined,
  status: StatusJson,
): Entry {
  const name = holderName(holder, status);
  if (isStart) {
    const found = holder === 'nobody' ? 'no session was stored' : `${name} held the session`;
    return { time, isMove: false, text: 'This supervisor started', detail: found };
  }
  const text = holder === 'nobody' ? 'The session ended' : `${name} took the session`;
  const why = cause === undefined ? '' : `, on ${cause.on}`;
  return { time, isMove: true, text, detail: `epoch ${epoch}${why}` };
}

const WORDS: Readonly<Record<string, string>> = {
  Waiting: 'waits for its partner',
  Standby: 'stands by',
  Holding: 'holds',
  Yielding: 'hands the session over',
  Fenced: 'is silent: the partner is MASTER too',
  HangingUp: 'ends the session',
  Redialling: 'ends the session, to dial a new one',
  Off: 'is off',
};

function sentence({ to, on }: EventJson, status: StatusJson): Pick<Entry, 'text' | 'detail'> {
  const name = routerName(status.routerId);
  if (to === null) return { text: `${name}: ${on}`, detail: '' };
  return { text: `${name} ${WORDS[to] ?? to}`, detail: `on ${on}` };
}

const newestFirst = (entries: readonly Entry[]): Entry[] =>
  entries.reduce<Entry[]>((all, each) => [each, ...all], []);
