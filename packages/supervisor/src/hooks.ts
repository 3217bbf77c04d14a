/**
 * Runs the operator's programs when the session comes up or goes down on this router, and when the role or the prefixes
 * change. Each is bounded in time, and at most one runs for each session. It decides nothing and delays no takeover.
 *
 * Theory of operation. There are three pairs of states: up and down, MASTER and BACKUP, a prefix and none. Each pair
 * remembers its last state. While a program runs, the next one of each pair waits, and a newer state of the pair
 * replaces it. So at most three wait, however fast states change, and a program always runs for the last state of each
 * pair.
 */
import type { OwnerStatus } from '@ppp-thing/protocol/engine/engine';
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { secondsLeft, type Lease } from '@ppp-thing/protocol/lease';
import { printable } from '@ppp-thing/protocol/printable';
import type { SessionFacts } from '@ppp-thing/protocol/session';
import { formatMac } from '@ppp-thing/protocol/wire/ethernet';
import { formatIpv6, formatLinkLocal } from '@ppp-thing/protocol/wire/ipv6';
import { formatIpv4 } from '@ppp-thing/protocol/wire/ncp';
import { formatPrefix } from './lease-text.ts';
import type { Log } from './log.ts';
import { runProgram } from './program.ts';

export const HOOKS = [
  'session-up',
  'session-down',
  'master',
  'backup',
  'prefix-up',
  'prefix-down',
] as const;
export type HookName = (typeof HOOKS)[number];

export interface HookSettings {
  /** The program of each hook, as an absolute path; undefined for none. */
  readonly programs: Readonly<Partial<Record<HookName, string>>>;
  /** Milliseconds until a program gets SIGTERM; after as long again it gets SIGKILL. */
  readonly limit: number;
}

/** The facts that stay the same while the session is configured. */
interface HookSubject {
  /** The session's name, which is its interface's. */
  readonly session: string;
  /** The Ethernet interface of the line. */
  readonly line: string;
}

type Pair = 'session' | 'role' | 'prefix';
type Environment = Readonly<Record<string, string>>;

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export class Hooks {
  settings: HookSettings;
  readonly #subject: HookSubject;
  readonly #log: Log;
  /** The last state of each pair. */
  readonly #state = new Map<Pair, HookName>();
  readonly #waiting = new Map<Pair, { readonly name: HookName; readonly facts: Environment }>();
  /** Facts of the session that was last up, for `session-down`. */
  #facts: SessionFacts | undefined;
  /** The prefixes of the last prefix hook, as text. */
  #prefixes = '';
  /** Milliseconds since 1970-01-01 UTC at the last `observe`. */
  #time = 0;
  /** Asks the running program to end. */
  #end: (() => void) | undefined;
  #isStopped = false;

  constructor(settings: HookSettings, subject: HookSubject, log: Log) {
    this.settings = settings;
    this.#subject = subject;
    this.#log = log;
  }

  /**
   * Poll the session, after each event. After start, run the role hook, and `session-up` if the session is up; never
   * `session-down`.
   *
   * @param time milliseconds since 1970-01-01 UTC
   */
  observe(status: OwnerStatus, time = 0): void {
    this.#time = time;
    const { facts } = status.snapshot;
    const speaks = status.state === 'Holding' || status.state === 'Yielding';
    const wasUp = this.#state.get('session') === 'session-up';
    const isSame = isSameSession(this.#facts, facts);
    // Up once the AC has answered. If it then falls silent for a while, a session that is still held stays up.
    const isUp = speaks && facts !== null && (status.proven || (wasUp && isSame));
    if (wasUp && !(isUp && isSame)) this.#became('session', 'session-down', status);
    if (isUp) this.#facts = facts;
    if (isUp) this.#became('session', 'session-up', status);
    if (status.helper) this.#became('role', status.role === 'MASTER' ? 'master' : 'backup', status);
    this.#observePrefixes(status);
  }

  /**
   * On both routers, because each advertises the prefixes when it is MASTER. A renewed lease with the same prefixes
   * changes nothing.
   */
  #observePrefixes(status: OwnerStatus): void {
    const { lease } = status.snapshot;
    const prefixes = (lease?.prefixes ?? []).map(formatPrefix).join(' ');
    if (prefixes === this.#prefixes) return;
    this.#prefixes = prefixes;
    // Other prefixes run the hook again, although there were some before.
    this.#state.delete('prefix');
    this.#became('prefix', prefixes === '' ? 'prefix-down' : 'prefix-up', status);
  }

  /** Ask the running program to end, and start no other. This process is about to exit, and does not wait. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting.clear();
    this.#end?.();
  }

  #became(pair: Pair, name: HookName, status: OwnerStatus): void {
    if (this.#state.get(pair) === name) return;
    this.#state.set(pair, name);
    if (this.settings.programs[name] === undefined) {
      this.#waiting.delete(pair);
      return;
    }
    this.#waiting.set(pair, { name, facts: this.#environment(name, status) });
    if (this.#end === undefined) this.#next();
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined || this.#isStopped) return;
    const [pair, { name, facts }] = first;
    this.#waiting.delete(pair);
    const program = this.settings.programs[name];
    if (program !== undefined) return this.#run(name, program, facts);
    // The hook was configured when it was queued, and a SIGHUP has removed it since.
    this.#next();
  }

  #run(name: HookName, path: string, env: Environment): void {
    const say = (level: 'info' | 'warn', text: string): void =>
      this.#log.line(level, `${this.#subject.session}: hook ${name}: ${text}`);
    this.#end = runProgram({
      path,
      env,
      limit: this.settings.limit,
      line: (text) => say('info', text),
      ended: (isWell, outcome) => {
        say(isWell ? 'info' : 'warn', `${path}: ${outcome}`);
        this.#end = undefined;
        this.#next();
      },
    });
  }

  /** The names are those of pppd(8)'s ip-up, where it has one. */
  #environment(name: HookName, status: OwnerStatus): Environment {
    const { session, line } = this.#subject;
    const { snapshot, role, state } = status;
    const facts = name === 'session-down' ? this.#facts : (snapshot.facts ?? undefined);
    return {
      PATH,
      PPP_THING_EVENT: name,
      PPP_THING_LINE: line,
      PPP_THING_ROLE: role,
      PPP_THING_STATE: state,
      PPP_THING_EPOCH: String(snapshot.epoch),
      IFNAME: session,
      ...(facts === undefined ? {} : sessionVariables(facts)),
      ...(snapshot.lease ? leaseVariables(snapshot.lease, this.#time) : {}),
    };
  }
}

type Facts = SessionFacts | null | undefined;

/** A session renegotiated with another address counts as another session. Called after every event. */
function isSameSession(a: Facts, b: Facts): boolean {
  if (a?.key.sessionId !== b?.key.sessionId) return false;
  const [one, other] = [a?.ourAddress, b?.ourAddress];
  return one === other || (one !== undefined && other !== undefined && sameOctets(one, other));
}

function sessionVariables(facts: SessionFacts): Environment {
  const { key, acName, dns, theirMru, maxPayload, interfaceIds } = facts;
  const servers = dns.map((server, i) => [`DNS${i + 1}`, formatIpv4(server)] as const);
  return {
    PPP_THING_SESSION_ID: String(key.sessionId),
    PPP_THING_AC_NAME: printable(acName),
    PPP_THING_MTU: String(Math.min(theirMru, maxPayload)),
    MACREMOTE: formatMac(key.acMac),
    ...(facts.ourAddress && {
      IPLOCAL: formatIpv4(facts.ourAddress),
      IPREMOTE: formatIpv4(facts.theirAddress),
    }),
    ...(interfaceIds && {
      LLLOCAL: formatLinkLocal(interfaceIds.ours),
      LLREMOTE: formatLinkLocal(interfaceIds.theirs),
    }),
    ...Object.fromEntries(servers),
  };
}

/** The names and value formats are those of odhcp6c(8)'s script. */
function leaseVariables(lease: Lease, time: number): Environment {
  const left = (span: number): number => secondsLeft(lease, span, time);
  const prefixes = lease.prefixes.map(({ preferred, valid, exclude, ...prefix }) => {
    const without = exclude === undefined ? '' : `,excluded=${formatPrefix(exclude)}`;
    return `${formatPrefix(prefix)},${left(preferred)},${left(valid)}${without}`;
  });
  const former = lease.former.map(({ valid, ...prefix }) => {
    return `${formatPrefix(prefix)},0,${left(valid)}`;
  });
  const addresses = lease.addresses.map(({ address, preferred, valid }) => {
    return `${formatIpv6(address)}/128,${left(preferred)},${left(valid)}`;
  });
  return {
    PREFIXES: [...prefixes, ...former].join(' '),
    ADDRESSES: addresses.join(' '),
    RDNSS: lease.dns.map(formatIpv6).join(' '),
    DOMAINS: lease.search.join(' '),
    AFTR: lease.aftr,
  };
}
