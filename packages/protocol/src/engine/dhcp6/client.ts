/**
 * A DHCPv6 client for one session: it gets a prefix, and if wanted an address, and keeps them. It speaks only between
 * `start` and `stop`, which ownership calls; it knows no socket and no other router.
 */
import { sameOctets } from '../../bytes.ts';
import {
  clampLease,
  endOf,
  firstEnd,
  movedLease,
  samePrefix,
  unexpired,
  type Lease,
  type LeasedPrefix,
} from '../../lease.ts';
import {
  after,
  earliest,
  millis,
  seconds,
  type Instant,
  type Millis,
  type WallClock,
} from '../../time.ts';
import {
  DHCP6_OPTION,
  findOption,
  type Dhcp6Message,
  type Dhcp6Option,
  type Dhcp6Type,
} from '../../wire/dhcpv6.ts';
import { formatIpv6 } from '../../wire/ipv6.ts';
import type { Note } from '../events.ts';
import type { Random } from '../hashes.ts';
import { logTo, type Log, type Out } from '../out.ts';
import type { Dhcp6Config } from '../session-config.ts';
import { Timers, type Wait } from '../timers.ts';
import { grantOf, type Grant } from './grant.ts';
import { PARAMETERS, Retransmission, type RetransmissionParameters } from './retransmission.ts';
import { stepDhcp6, type Dhcp6Act, type Dhcp6Event, type Dhcp6State } from './table.ts';
import { unreachable } from '../../unreachable.ts';

export type Dhcp6Signal =
  /** The session's lease now; null when nothing is left. */
  | { readonly kind: 'lease'; readonly lease: Lease | null }
  /** The server has confirmed our Release, or does not answer it. */
  | { readonly kind: 'released' };

export interface Dhcp6Status {
  readonly state: Dhcp6State;
  /** Transmissions of the current message. */
  readonly attempts: number;
  /** Why the last exchange failed, escaped for people. */
  readonly lastError?: string;
  readonly sent: number;
  readonly received: number;
  /** Messages that were not for us, or not in this state; Reconfigure among them. */
  readonly ignored: number;
}

interface Offer {
  /** The lease to request; undefined: the one that we have. */
  readonly lease?: Lease;
  readonly serverDuid: Uint8Array | undefined;
}

interface RatedOffer extends Offer {
  readonly preference: number;
  /** The offer has a prefix that we had before. */
  readonly isOld: boolean;
}

/** RFC 9915 §21.8: a server that says this is taken at once. */
const HIGHEST_PREFERENCE = 255;
/** RFC 9915 §21.24: a SOL_MAX_RT outside of these bounds is ignored. */
const SOL_MAX_RT = { low: 60, high: 86_400 };
/**
 * RFC 9915 §14.1: how long the client waits before it solicits again when a server denies what it offered, again and
 * again. The first time it asks at once; then the span doubles.
 */
const PAUSE = { first: seconds(1), longest: seconds(120) };

type TimerName =
  /** Ask the server that granted the lease to extend it. */
  | 'dhcp6-t1'
  /** Ask any server. */
  | 'dhcp6-t2'
  /** A part of the lease ends. */
  | 'dhcp6-end';

export class Dhcp6Client {
  readonly #config: Dhcp6Config;
  readonly #random: Random;
  readonly #out: Out;
  readonly #log: Log;
  readonly #wallClock: WallClock;
  readonly #timers = new Timers<TimerName>();
  readonly #resend: Retransmission;
  #state: Dhcp6State = 'Off';
  #lease: Lease | null = null;
  /** The session that this client asks on: when it came up; 0 for none. */
  #session = 0;
  #message: Dhcp6Type = 'Solicit';
  #transactionId = 0;
  #best: RatedOffer | undefined;
  /** The offer that we request. */
  #chosen: Offer | undefined;
  /** Requests in a row that were denied. */
  #denials = 0;
  #granted: Extract<Grant, { kind: 'lease' }> | undefined;
  #longest: RetransmissionParameters['most'];
  #lastError: string | undefined;
  /** Of the last lease: a server that repeats them says nothing new. */
  #problems: readonly string[] = [];
  readonly #counts = { sent: 0, received: 0, ignored: 0 };
  readonly #signals: Dhcp6Signal[] = [];

  constructor(config: Dhcp6Config, random: Random, wallClock: WallClock, out: Out) {
    this.#config = config;
    this.#random = random;
    this.#out = out;
    this.#log = logTo(out, 'dhcp6', () => this.#state);
    this.#wallClock = wallClock;
    this.#resend = new Retransmission(random);
  }

  // --- what ownership asks -------------------------------------------------------------------------------------

  /**
   * The session is up and ours to speak on.
   *
   * @param lease what this session, or one before it, had; null for none
   * @param session when this session came up, seconds since 1970-01-01 UTC
   */
  start(lease: Lease | null, session: number, now: Instant): Dhcp6Signal[] {
    if (session === this.#session) return [];
    const isFirst = this.#session === 0;
    this.#session = session;
    const isNew = lease?.session !== session;
    const time = this.#wallClock.at(now);
    // By a clock that was right when it was granted and is behind now, it would be renewed too late.
    const held = lease === null ? null : clampLease(lease, time);
    const rest = held === null ? null : unexpired(held, time);
    const isOurs =
      rest !== null && sameOctets(rest.duid, this.#config.duid) && rest.iaid === this.#config.iaid;
    if (isFirst) {
      this.#lease = rest;
      if (rest !== held) this.#signals.push({ kind: 'lease', lease: rest });
    }
    const event = !isOurs ? 'Fresh' : isNew ? 'Moved' : 'Held';
    this.#step(event, isNew ? 'new session' : 'session', now);
    return this.#signals.splice(0);
  }

  /** Send nothing from now on. The lease stays: it belongs to the session, whichever router holds that. */
  stop(now: Instant): Dhcp6Signal[] {
    this.#session = 0;
    this.#step('Stop', 'stop', now);
    this.#quiet();
    return this.#signals.splice(0);
  }

  /** The wall clock was set `ahead`, in milliseconds. The timers stay: they are instants. */
  clockSet(ahead: number): void {
    this.#lease &&= movedLease(this.#lease, ahead);
  }

  /** The operator disconnects: release the lease. `released` follows soon. */
  release(now: Instant): Dhcp6Signal[] {
    this.#session = 0;
    this.#step('Disconnect', 'disconnect', now);
    return this.#signals.splice(0);
  }

  receive(message: Dhcp6Message, now: Instant): Dhcp6Signal[] {
    this.#counts.received += 1;
    const reason = this.#unwanted(message);
    if (reason === undefined) this.#answered(message, now);
    else {
      this.#counts.ignored += 1;
      this.#log('debug', `ignored ${message.type}`, { reason });
    }
    return this.#signals.splice(0);
  }

  expire(now: Instant): Dhcp6Signal[] {
    for (const name of this.#timers.expired(now)) {
      if (name === 'dhcp6-end') this.#prune(now);
      else if (name === 'dhcp6-t1') this.#step('T1', 'T1', now);
      else this.#step('T2', 'T2', now);
    }
    const due = this.#resend.deadline();
    if (due !== undefined && due <= now) this.#again(now);
    return this.#signals.splice(0);
  }

  deadline(): Instant | undefined {
    return earliest(this.#timers.next(), this.#resend.deadline());
  }

  waits(): readonly Wait[] {
    const at = this.#resend.deadline();
    return at === undefined
      ? this.#timers.all()
      : [...this.#timers.all(), { name: 'dhcp6-resend', at }];
  }

  status(): Dhcp6Status {
    const lastError = this.#lastError === undefined ? {} : { lastError: this.#lastError };
    return { state: this.#state, attempts: this.#resend.sent, ...lastError, ...this.#counts };
  }

  // --- what a server said --------------------------------------------------------------------------------------

  /** Why we ignore a message; undefined if it is for us and valid (RFC 9915 §16). */
  #unwanted({ type, transactionId, options }: Dhcp6Message): string | undefined {
    if (type !== 'Advertise' && type !== 'Reply') return 'a client does not act on it';
    if (this.#resend.sent === 0) return 'no request is outstanding';
    if (transactionId !== this.#transactionId) return 'another transaction';
    const client = findOption(options, 'clientId');
    if (client === undefined || !sameOctets(client.duid, this.#config.duid)) return 'another DUID';
    const server = findOption(options, 'serverId');
    if (server === undefined) return 'no Server Identifier';
    const asked = this.#server();
    if (asked !== undefined && !sameOctets(asked, server.duid)) return 'another server';
    if ((type === 'Advertise') === (this.#message === 'Solicit')) return undefined;
    const isRapid =
      this.#message === 'Solicit' && type === 'Reply' && findOption(options, 'rapidCommit');
    return isRapid ? undefined : `not an answer to a ${this.#message}`;
  }

  /** The server that the current message is for; undefined: any. */
  #server(): Uint8Array | undefined {
    if (this.#message === 'Request') return this.#chosen?.serverDuid;
    const isToOne = this.#message === 'Renew' || this.#message === 'Release';
    return isToOne ? this.#lease?.serverDuid : undefined;
  }

  #answered(message: Dhcp6Message, now: Instant): void {
    this.#hearSolMaxRt(message, now);
    if (this.#state === 'Release') return this.#step('Answered', 'Reply', now);
    const grantedAt = Math.floor(this.#wallClock.at(now) / 1000);
    const on = { grantedAt, session: this.#session };
    const grant = grantOf(message, this.#config, this.#lease, on, this.#message);
    if (grant.kind === 'unanswered') return this.#refused(message, grant.reason);
    if (grant.kind === 'denied') {
      this.#refused(message, grant.reason);
      // Skip a server that has nothing to offer: the next one may.
      if (message.type === 'Advertise') return;
      this.#chosen = { serverDuid: serverOf(message) };
      if (this.#message === 'Request') this.#denials += 1;
      return this.#step('Denied', grant.reason, now);
    }
    if (message.type === 'Advertise') return this.#rate(message, grant.lease, now);
    this.#granted = grant;
    this.#step('Grant', 'Reply', now);
    this.#granted = undefined;
  }

  #refused({ type }: Dhcp6Message, reason: string): void {
    const error = `${type}: ${reason}`;
    const isNews = error !== this.#lastError;
    this.#lastError = error;
    this.#log(isNews ? 'warn' : 'debug', type, { reason });
  }

  #hearSolMaxRt({ options }: Dhcp6Message, now: Instant): void {
    const value = findOption(options, 'solMaxRt')?.seconds;
    if (value === undefined || value < SOL_MAX_RT.low || value > SOL_MAX_RT.high) return;
    this.#longest = seconds(value);
    if (this.#state === 'Solicit') this.#resend.limit(this.#longest, now);
  }

  /** RFC 9915 §18.2.1: collect offers until the first span is over. After that, take the first one. */
  #rate(message: Dhcp6Message, lease: Lease, now: Instant): void {
    const preference = findOption(message.options, 'preference')?.value ?? 0;
    const old = this.#wanted();
    const isOld = lease.prefixes.some((each) => old.some((prefix) => samePrefix(prefix, each)));
    const best = this.#best;
    const isBetter =
      best === undefined ||
      preference > best.preference ||
      (preference === best.preference && isOld && !best.isOld);
    if (isBetter) this.#best = { lease, serverDuid: serverOf(message), preference, isOld };
    if (preference === HIGHEST_PREFERENCE || this.#resend.sent > 1) this.#choose('Advertise', now);
  }

  #choose(on: string, now: Instant): void {
    this.#chosen = this.#best;
    this.#best = undefined;
    this.#step('Offer', on, now);
  }

  // --- time ----------------------------------------------------------------------------------------------------

  #again(now: Instant): void {
    if (this.#state === 'Solicit' && this.#best !== undefined) return this.#choose('offers', now);
    if (this.#resend.expire(now) === 'again') return this.#send(now);
    this.#step('Exhausted', `no answer to ${this.#message}`, now);
  }

  #prune(now: Instant): void {
    const lease = this.#lease && unexpired(this.#lease, this.#wallClock.at(now));
    if (lease === null) return this.#step('Expired', 'lease expired', now);
    this.#keep(lease, now);
  }

  /** The instant at which a span of the lease ends; it may be past. */
  #instantOf(lease: Lease, span: number): Instant | undefined {
    const end = endOf(lease, span);
    return end === undefined ? undefined : this.#wallClock.instantOf(end);
  }

  // --- acts ----------------------------------------------------------------------------------------------------

  #step(event: Dhcp6Event, on: string, now: Instant): void {
    const { acts, next } = stepDhcp6(this.#state, event);
    const from = this.#state;
    this.#state = next;
    if (from !== next || acts.length > 0) {
      const level = acts.includes('bind') || from === 'Bound' ? 'info' : 'debug';
      const facts = this.#granted === undefined ? {} : factsOf(this.#granted.lease);
      this.#log(level, on, facts, { from, to: next, actions: acts });
    }
    for (const act of acts) this.#act(act, now);
  }

  #act(act: Dhcp6Act, now: Instant): void {
    switch (act) {
      case 'solicit':
        this.#best = undefined;
        this.#chosen = undefined;
        return this.#begin(
          'Solicit',
          { ...PARAMETERS.solicit, ...this.#solicitMost() },
          now,
          this.#pause(),
        );
      case 'request':
        return this.#begin('Request', PARAMETERS.request, now);
      case 'bind':
        return this.#bind(now);
      case 'renew':
        return this.#begin('Renew', PARAMETERS.renew, now);
      case 'rebind':
        return this.#begin('Rebind', PARAMETERS.rebind, now);
      case 'confirm':
        return this.#begin('Rebind', PARAMETERS.confirm, now);
      case 'drop':
        this.#timers.clearAll();
        if (this.#lease === null) return;
        this.#lease = null;
        return void this.#signals.push({ kind: 'lease', lease: null });
      case 'release':
        this.#timers.clearAll();
        return this.#begin('Release', PARAMETERS.release, now);
      case 'end':
        this.#quiet();
        return void this.#signals.push({ kind: 'released' });
      default:
        return unreachable(act);
    }
  }

  #solicitMost(): Pick<RetransmissionParameters, 'most'> {
    return this.#longest === undefined ? {} : { most: this.#longest };
  }

  /** Before the next Solicit; undefined for none. */
  #pause(): Millis | undefined {
    if (this.#denials < 2) return undefined;
    return millis(Math.min(PAUSE.first * 2 ** (this.#denials - 2), PAUSE.longest));
  }

  #quiet(): void {
    this.#resend.stop();
    this.#timers.clearAll();
    this.#denials = 0;
    this.#best = undefined;
    this.#chosen = undefined;
  }

  /** Use a lease: just granted, or granted to the partner on this session. */
  #bind(now: Instant): void {
    this.#resend.stop();
    this.#chosen = undefined;
    this.#best = undefined;
    this.#denials = 0;
    const granted = this.#granted;
    if (granted !== undefined) {
      this.#lastError = undefined;
      for (const problem of granted.problems)
        this.#log(this.#problems.includes(problem) ? 'debug' : 'warn', 'Reply', { problem });
      this.#problems = granted.problems;
      this.#keep(granted.lease, now);
    }
    const lease = this.#lease;
    if (lease === null) return;
    this.#watch(lease, now);
  }

  #keep(lease: Lease, now: Instant): void {
    const isSame = this.#lease === lease;
    this.#lease = lease;
    if (!isSame) this.#signals.push({ kind: 'lease', lease });
    this.#watchEnd(lease, now);
  }

  #watch(lease: Lease, now: Instant): void {
    const t1 = this.#instantOf(lease, lease.t1);
    const t2 = this.#instantOf(lease, lease.t2);
    this.#timers.clear('dhcp6-t1', 'dhcp6-t2');
    if (t2 !== undefined) this.#timers.set('dhcp6-t2', later(t2, now));
    // Both may have passed while nobody held the session: then go to Rebind.
    if (t1 !== undefined && (t2 === undefined || t2 > now))
      this.#timers.set('dhcp6-t1', later(t1, now));
    this.#watchEnd(lease, now);
  }

  #watchEnd(lease: Lease, now: Instant): void {
    const end = firstEnd(lease);
    if (end === undefined) this.#timers.clear('dhcp6-end');
    else this.#timers.set('dhcp6-end', later(this.#wallClock.instantOf(end), now));
  }

  #begin(type: Dhcp6Type, parameters: RetransmissionParameters, now: Instant, wait?: Millis): void {
    const [a = 0, b = 0, c = 0] = this.#random(3);
    this.#transactionId = a * 0x1_0000 + b * 0x100 + c;
    this.#message = type;
    this.#resend.begin(parameters, now, wait);
    // The rest of an old lease still ends at its time.
    if (this.#lease !== null && type !== 'Release') this.#watchEnd(this.#lease, now);
    if (wait === undefined) this.#send(now);
  }

  #send(now: Instant): void {
    this.#counts.sent += 1;
    const options = this.#options(now);
    const message = { type: this.#message, transactionId: this.#transactionId, options };
    this.#out({ kind: 'send-dhcp6', message });
  }

  // --- what we ask ---------------------------------------------------------------------------------------------

  #options(now: Instant): Dhcp6Option[] {
    const type = this.#message;
    const server = this.#server();
    const isRelease = type === 'Release';
    return [
      { kind: 'clientId', duid: this.#config.duid },
      ...(server === undefined ? [] : [{ kind: 'serverId', duid: server } as const]),
      ...this.#associations(),
      ...(isRelease ? [] : [{ kind: 'oro', codes: WANTED } as const]),
      { kind: 'elapsedTime', hundredths: this.#resend.elapsed(now) },
      ...(type === 'Solicit' ? [{ kind: 'rapidCommit' } as const] : []),
    ];
  }

  /** The IAs of a message: our lease, an offer, or our wish. The server sets the lifetimes. */
  #associations(): Dhcp6Option[] {
    const { iaid, prefix, address } = this.#config;
    const ia = { iaid, t1: 0, t2: 0 };
    const options: Dhcp6Option[] = [];
    const asked = { preferred: 0, valid: 0, options: [] };
    if (prefix) {
      const prefixes = this.#wanted().map(
        (each) =>
          ({ kind: 'iaPrefix', prefix: each.prefix, length: each.length, ...asked }) as const,
      );
      options.push({ kind: 'iaPd', ...ia, options: prefixes });
    }
    if (address) {
      const addresses = (this.#offered()?.addresses ?? this.#lease?.addresses ?? []).map(
        (each) => ({ kind: 'iaAddress', address: each.address, ...asked }) as const,
      );
      options.push({ kind: 'iaNa', ...ia, options: addresses });
    }
    return options;
  }

  #offered(): Lease | undefined {
    return this.#message === 'Request' ? this.#chosen?.lease : undefined;
  }

  /** RFC 8168: the prefix that was offered, else the one that we have or had, else the operator's hint. */
  #wanted(): readonly Pick<LeasedPrefix, 'prefix' | 'length'>[] {
    const offered = this.#offered()?.prefixes ?? [];
    if (offered.length > 0) return offered;
    if (this.#lease !== null && this.#lease.prefixes.length > 0) return this.#lease.prefixes;
    return this.#config.hint === undefined ? [] : [this.#config.hint];
  }
}

/** Options that we request from a server (RFC 9915 §21.7). */
const WANTED = [
  DHCP6_OPTION.dns,
  DHCP6_OPTION.domainSearch,
  DHCP6_OPTION.aftrName,
  DHCP6_OPTION.pdExclude,
  DHCP6_OPTION.solMaxRt,
];

const serverOf = ({ options }: Dhcp6Message): Uint8Array | undefined =>
  findOption(options, 'serverId')?.duid;

/** A deadline that has passed is due now, and not before: the clock of another router set it. */
const later = (at: Instant, now: Instant): Instant => (at < now ? after(now, millis(0)) : at);

/** For the log. */
function factsOf(lease: Lease): NonNullable<Note['facts']> {
  const prefixes = lease.prefixes.map(({ prefix, length }) => `${formatIpv6(prefix)}/${length}`);
  return {
    prefix: prefixes.join(',') || 'none',
    ...(lease.addresses.length === 0
      ? {}
      : { address: lease.addresses.map(({ address }) => formatIpv6(address)).join(',') }),
    t1: lease.t1,
    t2: lease.t2,
  };
}
