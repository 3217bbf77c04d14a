/**
 * Writes SESSION.prefix.json in the run directory: the delegated prefixes and the LANs' addresses, for programs that
 * advertise them. It is rewritten when they change, on both routers. It holds nothing that a program could not also
 * learn from the kernel.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Action } from '@ppp-thing/protocol/engine/events';
import { formatIpv6 } from '@ppp-thing/protocol/wire/ipv6';
import { codeOf } from './errors.ts';
import { formatPrefix } from './lease-text.ts';
import type { Log } from './log.ts';

type Delegate = Extract<Action, { kind: 'delegate' }>;

export interface PrefixFile {
  write(session: string, delegate: Delegate): void;
}

/** Lifetimes are seconds from `at`, milliseconds since 1970-01-01 UTC; a prefix preferred for 0 s is a former one. */
function prefixJson({ lease, prefixes, addresses }: Delegate, at: number): object {
  return {
    at: Math.round(at),
    prefixes: prefixes.map(({ preferred, valid, exclude, ...prefix }) => ({
      prefix: formatPrefix(prefix),
      preferred,
      valid,
      ...(exclude && { exclude: formatPrefix(exclude) }),
    })),
    addresses: addresses.map(({ address, preferred, valid }) => ({
      address: formatIpv6(address),
      preferred,
      valid,
    })),
    dns: (lease?.dns ?? []).map(formatIpv6),
    search: lease?.search ?? [],
    aftr: lease?.aftr === undefined || lease.aftr === '' ? null : lease.aftr,
  };
}

/** @param wallClock milliseconds since 1970-01-01 UTC */
export function prefixFile(directory: string, log: Log, wallClock: () => number): PrefixFile {
  return {
    write(session, delegate) {
      const path = join(directory, `${session}.prefix.json`);
      const text = `${JSON.stringify(prefixJson(delegate, wallClock()), null, 2)}\n`;
      try {
        // A reader sees the old text or the new one, never a part.
        writeFileSync(`${path}.new`, text, { mode: 0o644 });
        renameSync(`${path}.new`, path);
      } catch (error) {
        log.line('warn', `write ${path}: ${codeOf(error)}`, `${session} prefix file`);
      }
    },
  };
}
