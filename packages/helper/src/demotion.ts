/**
 * Our own CARP demotion, added once and removed once, even if the helper is killed in between. This module keeps the
 * record; the backend acts.
 *
 * The kernel may show only the sum of all demotions, so a file holds our amounts. The helper writes an amount before it
 * demotes, and deletes it after it has removed the demotion: a moment later, because CARP may make this router MASTER at
 * once, and the edge must not wait for a disk. A crash in between leaves a record of a demotion that is not in force;
 * `adoptDemotion` detects that. A reboot clears both the kernel's sum and the run directory, where the file is.
 * So the file needs no fsync, and no clock that somebody may set identifies its boot. If the file cannot be written, the
 * helper refuses to demote and goes on.
 */
import { join } from 'node:path';
import { BackendError, diskError } from './errors.ts';
import type { Backend, SessionVerbs } from './backend.ts';
import { DISK, forget, type Disk } from './files.ts';
import type { SessionPolicy } from './policy.ts';

const RECORD = 'demotion.json';
/** In the record of a router that has just booted: the demotion of rc.d/ppp_thing_early. No session has this name. */
const BOOT = '*';

/** By how much each session demotes this router. */
type Amounts = ReadonlyMap<string, number>;

/** A session that the backend has started. */
export interface Demotable {
  readonly policy: Pick<SessionPolicy, 'name'>;
  readonly verbs: Pick<SessionVerbs, 'inspect' | 'demote' | 'adoptDemotion'>;
}

export interface Demotions {
  /** Adopt the demotion that an earlier helper left. Called once for each session. */
  adopt(session: Demotable): void;
  /** Whether ours is in force for `session`. */
  has(session: string): boolean;
  /**
   * Remove the recorded demotions of the sessions for which `isAwaited` is false. Called after the others have been
   * adopted. Throws the backend's error, and keeps the record of each demotion that is still in force.
   */
  settle(isAwaited: (session: string) => boolean): void;
  /**
   * Add or remove the demotion; no effect if it is so already. Throws the backend's error. Throws BackendError, with
   * nothing changed, if the record cannot be written first.
   */
  set(session: Demotable, on: boolean): void;
  /** Write what is not on record yet. */
  flush(): void;
}

/** Where the record is: in `run`, for this boot. A previous release kept it in `state`. */
export interface RecordPlaces {
  readonly run: string;
  readonly state: string;
}

/**
 * Read the record; its directory is made if it is missing.
 *
 * @param uptime  seconds since the machine booted, by a clock that nobody sets; asked at every write
 * @param amounts by how much each session demotes, as it is configured now
 * @param log     one line, if a removed demotion cannot be deleted from the record; the next start checks it again with
 *                `adoptDemotion`
 * @param disk    this machine's unless given
 * @param later   runs what is not urgent, once the edge that may follow is over; at once unless given
 */
export function openDemotions(
  places: RecordPlaces,
  backend: Pick<Backend, 'returnDemotion'>,
  uptime: () => number,
  amounts: Amounts,
  log: (line: string) => void,
  disk: Disk = DISK,
  later: (run: () => void) => void = (run) => run(),
): Demotions {
  makeDirectory(disk, places.run);
  const path = join(places.run, RECORD);
  const own = readRecord(disk, path, uptime());
  const recorded = own ?? inherit(disk, join(places.state, RECORD), uptime(), log);
  const isBoot = takeBoot(recorded, amounts);
  const inForce = new Map<string, number>();
  let isBehind = false;
  // A session that has not been adopted yet keeps its record: it may only be late.
  const remember = (): void => {
    try {
      writeRecord(disk, path, new Map([...recorded, ...inForce]), uptime());
      isBehind = false;
    } catch (cause) {
      throw diskError(
        'record',
        path,
        'the demotion is not set, because it cannot be recorded; is there room',
        cause,
      );
    }
  };
  const rememberIfPossible = (): void => {
    try {
      remember();
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      log(error.message);
    }
  };
  const flush = (): void => {
    if (isBehind) rememberIfPossible();
  };
  if (isBoot || (own === undefined && recorded.size > 0)) rememberIfPossible();
  const configured = (session: string): number => amounts.get(session) ?? 0;

  return {
    adopt({ policy: { name }, verbs }) {
      const amount = recorded.get(name) ?? configured(name);
      const held =
        verbs.adoptDemotion === undefined
          ? verbs.inspect().demoted
          : recorded.has(name) && verbs.adoptDemotion(amount);
      const wasRecorded = recorded.delete(name);
      if (held) inForce.set(name, amount);
      // Do not rewrite a correct record for each session that starts.
      if (wasRecorded !== held) rememberIfPossible();
    },
    has: (session) => inForce.has(session),
    settle(isAwaited) {
      for (const [session, amount] of recorded) {
        if (isAwaited(session)) continue;
        // Try the disk first: a demotion that is removed but still on record would be removed twice.
        remember();
        if (amount !== undefined) backend.returnDemotion?.(amount);
        recorded.delete(session);
        rememberIfPossible();
      }
    },
    set({ policy: { name }, verbs }, on) {
      if (inForce.has(name) === on) return;
      if (!on) {
        verbs.demote(false);
        inForce.delete(name);
        isBehind = true;
        return later(flush);
      }
      inForce.set(name, configured(name));
      try {
        remember();
        verbs.demote(true);
      } catch (error) {
        inForce.delete(name);
        rememberIfPossible();
        throw error;
      }
    },
    flush,
  };
}

function makeDirectory(disk: Disk, path: string): void {
  try {
    disk.makeDirectory(path, 0o755);
  } catch (cause) {
    throw diskError('make', path, 'demotions are recorded there; is there room', cause);
  }
}

/** A helper before this one may have written no amount. */
type Recorded = Map<string, number | undefined>;

/**
 * Assign the demotion from boot to the first session, so that it stays in force without a pause until that session's
 * supervisor removes it. Without a session, `settle` removes it.
 */
function takeBoot(recorded: Recorded, amounts: Amounts): boolean {
  const [first] = amounts.keys();
  if (first === undefined || recorded.has(first) || !recorded.has(BOOT)) return false;
  recorded.set(first, recorded.get(BOOT));
  return recorded.delete(BOOT);
}

/** The sessions demoted since this boot; undefined if there is no record, or none that can be read. */
function readRecord(disk: Disk, path: string, uptime: number): Recorded | undefined {
  const record = parse(disk, path);
  if (record === undefined) return undefined;
  const { demoted, amounts } = record;
  const amountAt = (i: number): number | undefined => {
    const amount = amounts?.[i];
    return typeof amount === 'number' ? amount : undefined;
  };
  // If a boot does not empty the run directory, an uptime below the recorded one shows that boot.
  return new Map(uptime >= record.uptime ? demoted.map((name, i) => [name, amountAt(i)]) : []);
}

/** Reads a previous release's record once. It may be of an earlier boot, so `adoptDemotion` checks its amounts. */
function inherit(disk: Disk, path: string, uptime: number, log: (line: string) => void): Recorded {
  const record = readRecord(disk, path, uptime);
  if (record !== undefined) forget(disk, path, log);
  return record ?? new Map();
}

interface DemotionRecord {
  readonly uptime: number;
  readonly demoted: readonly string[];
  /** Of each of `demoted`; null is not known. */
  readonly amounts?: readonly unknown[];
}

const isRecord = (value: unknown): value is DemotionRecord =>
  typeof value === 'object' &&
  value !== null &&
  'uptime' in value &&
  typeof value.uptime === 'number' &&
  'demoted' in value &&
  Array.isArray(value.demoted) &&
  value.demoted.every((name) => typeof name === 'string') &&
  (!('amounts' in value) || Array.isArray(value.amounts));

function parse(disk: Disk, path: string): DemotionRecord | undefined {
  try {
    const value: unknown = JSON.parse(disk.read(path) ?? '');
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function writeRecord(disk: Disk, path: string, all: Recorded, uptime: number): void {
  const record: DemotionRecord = {
    uptime,
    demoted: [...all.keys()],
    amounts: Array.from(all.values(), (amount) => amount ?? null),
  };
  disk.replace(path, `${JSON.stringify(record)}\n`, 0o600);
}
