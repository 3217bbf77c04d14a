/**
 * The log: one line per note, `<session> <machine>: <from> -> <to> on <event> [actions] key=value…`, to standard
 * output. daemon(8) and journald add the time. It decides only which lines are too unimportant to write.
 */
import type { Note } from '@ppp-thing/protocol/engine/events';
import { oneLine } from '@ppp-thing/protocol/printable';
import { wallClock } from './clock.ts';

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Prefix of a line: none for syslog, its priority for journald (sd-daemon(3)), the time for a terminal. */
export type LogStyle = 'plain' | 'journal' | 'timestamps';

/** sd-daemon(3): the priorities of syslog(3). */
const PRIORITY = { error: 3, warn: 4, info: 6, debug: 7, trace: 7 } as const satisfies Record<
  LogLevel,
  number
>;

/** Lines of one kind a second; further ones are only counted. */
const MAX_PER_SECOND = 20;

/** Lines of all kinds a second; further ones are only counted, because a peer can create kinds too. */
const MAX_OF_ALL_PER_SECOND = 2000;

export class Log {
  level: LogLevel;
  readonly #write: (line: string) => void;
  readonly #now: () => number;
  readonly #style: LogStyle;
  /** Per kind of line: the second of the last one, and how many it had. */
  readonly #written = new Map<string, { second: number; count: number }>();
  /** Of all kinds: the current second, and how many lines it had. */
  #all = { second: 0, count: 0 };

  /**
   * @param write takes one line without its end
   * @param now monotonic milliseconds
   */
  constructor(
    level: LogLevel,
    write: (line: string) => void,
    now: () => number,
    style: LogStyle = 'plain',
  ) {
    this.level = level;
    this.#write = write;
    this.#now = now;
    this.#style = style;
  }

  shows(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(this.level);
  }

  note(session: string, note: Note): void {
    this.line(
      note.level,
      `${session} ${formatNote(note)}`,
      `${session} ${note.machine} ${note.on}`,
    );
  }

  /** @param kind lines of one kind share a limit, because a peer may cause them */
  line(level: LogLevel, text: string, kind = text): void {
    if (!this.shows(level)) return;
    const second = Math.floor(this.#now() / 1000);
    const last = this.#written.get(kind);
    const count = last?.second === second ? last.count + 1 : 1;
    if (last !== undefined && last.second !== second && last.count > MAX_PER_SECOND) {
      this.#put('warn', `${last.count - MAX_PER_SECOND} more lines like: ${kind}`);
    }
    if (this.#written.size > 1000) this.#written.clear();
    this.#written.set(kind, { second, count });
    if (count <= MAX_PER_SECOND && this.#hasRoom(second)) this.#put(level, text);
  }

  /** Whether this second takes another line of any kind. Logs how many lines the previous second dropped. */
  #hasRoom(second: number): boolean {
    if (this.#all.second !== second) {
      const more = this.#all.count - MAX_OF_ALL_PER_SECOND;
      this.#all = { second, count: 0 };
      if (more > 0) this.#put('warn', `${more} more lines of all kinds`);
    }
    this.#all.count += 1;
    return this.#all.count <= MAX_OF_ALL_PER_SECOND;
  }

  #put(level: LogLevel, text: string): void {
    const line = oneLine(text);
    if (this.#style === 'journal') this.#write(`<${PRIORITY[level]}>${line}`);
    else if (this.#style === 'plain') this.#write(`${prefix(level)}${line}`);
    else this.#write(`${new Date(wallClock()).toISOString()} ${prefix(level)}${line}`);
  }
}

/** `info` needs no prefix. */
const prefix = (level: LogLevel): string => (level === 'info' ? '' : `${level}: `);

export function formatNote({ machine, from, to, on, actions = [], facts = {} }: Note): string {
  const move = to === undefined ? from : `${from} -> ${to}`;
  const done = actions.length === 0 ? '' : ` [${actions.join(',')}]`;
  const told = Object.entries(facts).map(([key, value]) => ` ${key}=${quoted(shown(value))}`);
  return `${machine}: ${move} on ${on}${done}${told.join('')}`;
}

/** Rounds a measured number to three places. */
const shown = (value: string | number | boolean): string =>
  String(typeof value === 'number' ? Math.round(value * 1000) / 1000 : value);

const quoted = (value: string): string =>
  /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
