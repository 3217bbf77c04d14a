/**
 * Our own CARP demotion, put in force once and given back once, even by the helper after the one that was killed. It
 * remembers; the backend acts.
 *
 * The kernel may show only the sum of everybody's demotion, so what is ours stands in a file, written before it is put
 * in force and forgotten after it is taken back. A crash in between leaves a record of something that is not in force:
 * `adoptDemotion` tells. A reboot clears the kernel's sum, and the record says which boot it belongs to.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Backend } from './backend.ts';

/** When this boot was, in seconds since 1970, and how long ago, in seconds. */
export interface Boot {
  readonly at: number;
  readonly uptime: number;
}

/** The clock may be set while the machine runs; a reboot moves the boot by more than this, or shortens the uptime. */
const BOOT_TOLERANCE_SECONDS = 120;

export interface Demotions {
  /** Once for each session, after the backend has started it: take over what an earlier helper left in force. */
  adopt(session: string): void;
  /** Whether ours is in force for `session`. */
  has(session: string): boolean;
  /** Put in force or take back; no effect if it is so already. Throws what the backend throws, and then nothing changed. */
  set(session: string, on: boolean): void;
}

/**
 * Read what is remembered in `directory`, which is made if it is missing, for its owner alone.
 *
 * @param boot  asked at every write
 */
export function openDemotions(
  directory: string,
  backend: Pick<Backend, 'inspect' | 'demote' | 'adoptDemotion'>,
  boot: () => Boot,
): Demotions {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, 'demotion.json');
  const recorded = readRecord(path, boot());
  const inForce = new Set<string>();
  // A session that has not been adopted yet keeps its record: it may only be late.
  const remember = (): void => writeRecord(path, [...new Set([...recorded, ...inForce])], boot());

  return {
    adopt(session) {
      const held =
        backend.adoptDemotion === undefined
          ? backend.inspect(session).demoted
          : recorded.has(session) && backend.adoptDemotion(session);
      recorded.delete(session);
      if (held) inForce.add(session);
      remember();
    },
    has: (session) => inForce.has(session),
    set(session, on) {
      if (inForce.has(session) === on) return;
      if (on) {
        inForce.add(session);
        remember();
      }
      try {
        backend.demote(session, on);
      } catch (error) {
        if (on) {
          inForce.delete(session);
          remember();
        }
        throw error;
      }
      if (!on) {
        inForce.delete(session);
        remember();
      }
    },
  };
}

/** The sessions demoted since this boot. A file that is missing, damaged or of another boot holds none. */
function readRecord(path: string, now: Boot): Set<string> {
  const record = parse(path);
  if (record === undefined) return new Set();
  const sameBoot =
    now.uptime >= record.uptime && Math.abs(now.at - record.bootedAt) < BOOT_TOLERANCE_SECONDS;
  return new Set(sameBoot ? record.demoted : []);
}

interface DemotionRecord {
  readonly bootedAt: number;
  readonly uptime: number;
  readonly demoted: readonly string[];
}

const isRecord = (value: unknown): value is DemotionRecord =>
  typeof value === 'object' &&
  value !== null &&
  'bootedAt' in value &&
  typeof value.bootedAt === 'number' &&
  'uptime' in value &&
  typeof value.uptime === 'number' &&
  'demoted' in value &&
  Array.isArray(value.demoted) &&
  value.demoted.every((name) => typeof name === 'string');

function parse(path: string): DemotionRecord | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whole or not at all: written aside, synced, renamed over. */
function writeRecord(path: string, demoted: readonly string[], boot: Boot): void {
  const record: DemotionRecord = { bootedAt: boot.at, uptime: boot.uptime, demoted };
  const aside = `${path}.new`;
  const fd = openSync(aside, 'w', 0o600);
  try {
    writeSync(fd, `${JSON.stringify(record)}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(aside, path);
}
