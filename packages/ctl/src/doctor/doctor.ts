/**
 * `pppthingctl doctor`: runs every check on the facts of this router, and prints the findings as text or JSON. It
 * changes nothing.
 */
import { readFileSync } from 'node:fs';
import { CtlError, EXIT } from '../client.ts';
import type { Context, Given } from '../command.ts';
import * as linux from './checks-linux.ts';
import * as pair from './checks-pair.ts';
import * as system from './checks-system.ts';
import type { Facts, RouterReport } from './facts.ts';
import type { Check, Finding, Severity } from './finding.ts';
import { gather } from './gather.ts';

/** In the order of repair: a check comes after the ones it depends on. */
export const CHECKS: readonly Check[] = [
  system.runtime,
  pair.configuration,
  system.files,
  system.modules,
  system.lines,
  system.macs,
  system.mtus,
  system.priorities,
  system.orphans,
  system.otherClients,
  pair.answers,
  pair.supervisor,
  pair.partner,
  pair.sameConfig,
  pair.preempt,
  pair.vhids,
  pair.carpVersion,
  pair.advskew,
  pair.fastTakeover,
  linux.roleSource,
  linux.virtualAddress,
  linux.virtualRouterIds,
  linux.tcpWindows,
  pair.defaultRoutes,
  system.lanTables,
  system.forwarding6,
  system.advertisements,
  system.prefixSize,
  pair.nat,
  pair.pfsync,
  system.clock,
  system.scraping,
];

/** Runs all checks, and drops duplicate findings. */
export function diagnose(facts: Facts): readonly Finding[] {
  const findings = new Map<string, Finding>();
  for (const check of CHECKS) {
    for (const finding of check(facts)) {
      const { severity, subject, what } = finding;
      const words = `${severity} ${subject}: ${what}`;
      if (!findings.has(words)) findings.set(words, finding);
    }
  }
  return [...findings.values()];
}

const MARKS: Readonly<Record<Severity, string>> = {
  ok: 'ok',
  unknown: '??',
  warn: 'warn',
  error: 'ERROR',
};

/** Returns EXIT.refused if a finding is an error. Throws CtlError if the partner's report is not a report. */
export async function doctor({ flags, words }: Given, context: Context): Promise<number> {
  const [path] = words;
  const facts = await gather(
    context,
    context.config,
    path === undefined ? undefined : readReport(path),
  );
  const findings = diagnose(facts);
  if (flags.has('json')) {
    context.print(JSON.stringify({ router: reportOf(facts), findings }, null, 2));
  } else {
    for (const { severity, subject, what, fix } of findings) {
      context.print(`${MARKS[severity].padEnd(6)}${subject}: ${what}`);
      if (fix !== '') context.print(`      -> ${fix}`);
    }
  }
  return findings.some(({ severity }) => severity === 'error') ? EXIT.refused : EXIT.ok;
}

/** The facts that the doctor on the other router needs. */
function reportOf({ now, release, config, interfaces, vrrp }: Facts): RouterReport {
  const all = interfaces.known ? interfaces.value : [];
  return {
    at: now,
    release,
    shared: config.known ? config.value.shared : null,
    carp: all.flatMap(({ carp }) => carp),
    pfsyncVersion: all.find((each) => each.pfsyncVersion !== undefined)?.pfsyncVersion ?? null,
    ...(vrrp.known && { vrrp: vrrp.value.instances }),
  };
}

/** @param path a file, or `-` for standard input */
function readReport(path: string): RouterReport {
  try {
    const value: unknown = JSON.parse(readFileSync(path === '-' ? 0 : path, 'utf8'));
    if (
      typeof value === 'object' &&
      value !== null &&
      'router' in value &&
      isReport(value.router)
    ) {
      return value.router;
    }
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) {
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'EIO';
      throw new CtlError(`read ${path}: ${code}`, EXIT.usage, { cause });
    }
  }
  throw new CtlError(`read ${path}: not what doctor --json printed on the partner`, EXIT.usage);
}

const isReport = (value: unknown): value is RouterReport =>
  typeof value === 'object' &&
  value !== null &&
  'at' in value &&
  typeof value.at === 'number' &&
  'release' in value &&
  typeof value.release === 'string' &&
  'shared' in value &&
  typeof value.shared === 'object' &&
  'carp' in value &&
  Array.isArray(value.carp) &&
  value.carp.every((each) => typeof each === 'object' && each !== null) &&
  'pfsyncVersion' in value &&
  (!('vrrp' in value) || (Array.isArray(value.vrrp) && value.vrrp.every(isInstance)));

const isInstance = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  'virtualRouterId' in value &&
  'addresses' in value &&
  Array.isArray(value.addresses) &&
  value.addresses.every((each) => typeof each === 'object' && each !== null);
