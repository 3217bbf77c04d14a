/**
 * The log line: the only writer. It shows what it is given and keeps no secrets; those never reach it.
 */
import type { Note } from '@ppp-thing/protocol/engine/events';

/** From the rarest to the most talkative; each includes those before it. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const isLogLevel = (text: string): text is LogLevel =>
  LOG_LEVELS.some((level) => level === text);

/** How a line begins: for syslog nothing, for journald its priority (sd-daemon(3)), for a terminal the time. */
export type LogStyle = 'plain' | 'journal' | 'timestamps';

/** sd-daemon(3): the priorities of syslog(3). */
const PRIORITY = { error: 3, warn: 4, info: 6, debug: 7, trace: 7 } as const satisfies Record<
  LogLevel,
  number
>;

/** Lines of one kind let through in each span; the peer provokes some of them, and must not fill a disk. */
const BURST = 20;
const SPAN_MS = 10_000;
/** Kinds remembered at a time. Beyond that the oldest is forgotten, and begins anew. */
const KINDS = 1000;

export interface Log {
  level: LogLevel;
  /**
   * Write one line if its level is wanted. Of lines of one `kind`, 20 in 10 seconds are written; the rest are counted,
   * and the count is told when the span is over and the next one comes. Without a kind there is no limit.
   */
  write(level: LogLevel, line: string, kind?: string): void;
  /** A note of a session's engine. */
  note(session: string, note: Note): void;
  isWanted(level: LogLevel): boolean;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly style: LogStyle;
  /** Takes one whole line with its line feed. */
  readonly out: (text: string) => void;
  /** Milliseconds since 1970-01-01 UTC: what a line shows. */
  readonly wallClock: () => number;
  /** Monotonic milliseconds: what limits are measured by. */
  readonly now: () => number;
}

export function createLog({ level, style, out, wallClock, now }: LogOptions): Log {
  const kinds = new Map<string, { since: number; count: number }>();

  const emit = (of: LogLevel, line: string): void => {
    const text = singleLine(line);
    if (style === 'journal') out(`<${PRIORITY[of]}>${text}\n`);
    else if (style === 'timestamps') out(`${new Date(wallClock()).toISOString()} ${text}\n`);
    else out(`${text}\n`);
  };

  /** Whether another line of this kind may be written. */
  const isWithin = (of: LogLevel, kind: string): boolean => {
    const at = now();
    const entry = kinds.get(kind);
    if (entry === undefined || at - entry.since >= SPAN_MS) {
      const suppressed = (entry?.count ?? 0) - BURST;
      if (suppressed > 0) emit(of, `${kind}: ${suppressed} more such lines not written`);
      kinds.delete(kind);
      kinds.set(kind, { since: at, count: 1 });
      for (const [oldest] of kinds) {
        if (kinds.size <= KINDS) break;
        kinds.delete(oldest);
      }
      return true;
    }
    entry.count += 1;
    return entry.count <= BURST;
  };

  const log: Log = {
    level,
    isWanted: (of) => LOG_LEVELS.indexOf(of) <= LOG_LEVELS.indexOf(log.level),
    write(of, line, kind) {
      if (!log.isWanted(of)) return;
      if (kind === undefined || isWithin(of, kind)) emit(of, line);
    },
    note(session, note) {
      // The kind is the story without its facts: a peer may vary those at will.
      const kind = `${session} ${note.machine}: ${note.from}${note.to ? ` -> ${note.to}` : ''}`;
      log.write(note.level, formatNote(session, note), kind);
    },
  };
  return log;
}

/** `<session> <machine>: <from> -> <to> on <on> [actions] key=value…`; without `to` nothing moved. */
export function formatNote(session: string, note: Note): string {
  const { machine, from, to, on, actions = [], facts = {} } = note;
  const moved = to === undefined ? from : `${from} -> ${to}`;
  const asked = actions.length === 0 ? '' : ` [${actions.join(' ')}]`;
  const told = Object.entries(facts).map(([key, value]) => ` ${key}=${factText(value)}`);
  return singleLine(`${session} ${machine}: ${moved} on ${on}${asked}${told.join('')}`);
}

/** Bare where that can be read back, quoted elsewhere. */
const factText = (value: string | number | boolean): string => {
  const text = String(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
};

/** A line is a line, whatever came in: control characters are shown, not obeyed. */
const singleLine = (text: string): string =>
  text.replaceAll(
    // eslint-disable-next-line no-control-regex
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`,
  );
