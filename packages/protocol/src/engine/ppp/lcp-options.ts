/**
 * The options of LCP, ours and the AC's (RFC 1661 §6, RFC 2516 §7): MRU, Magic-Number and the Authentication-Protocol. We
 * reject all others. It sends nothing.
 */
import { INFORMATION } from '../../snapshot-limits.ts';
import { methodName, type AuthMethod, type LcpOption } from '../../wire/lcp.ts';
import type { Random } from '../hashes.ts';
import type { Options, Verdict } from './options.ts';
import { randomMagic } from '../random.ts';
import { unreachable } from '../../unreachable.ts';

export type Method = Exclude<AuthMethod, 'unknown'>;

/** What both ends are bound to once LCP is Opened. */
export interface LcpAgreement {
  /** 0 where none was agreed. */
  readonly ourMagic: number;
  readonly theirMagic: number;
  readonly ourMru: number;
  readonly theirMru: number;
  readonly auth: Method | 'none';
}

export interface LcpSettings {
  /** The largest Information field the line carries, octets: 1492, or what RFC 4638 agreed. */
  readonly mru: number;
  readonly magicNumber: boolean;
  /** Best first. */
  readonly auth: readonly Method[];
}

/** RFC 1661 §6.1: what holds when no MRU is negotiated. */
const DEFAULT_MRU = 1500;
/** Copies of our own Magic-Number after which the line counts as looped (§6.4). */
const MAX_LOOPS = 5;
/** Unacceptable Authentication-Protocols after which the AC counts as insisting: past Max-Failure Naks and as many Rejects. */
const MAX_WEAK = 10;

/** That often a Magic-Number of zero is refused. */
const MAX_ZEROS = 3;

export class LcpOptions implements Options<LcpOption> {
  readonly #settings: LcpSettings;
  readonly #random: Random;
  #ours: { mru: number; magic: number };
  #theirs: { mru: number; magic: number; auth: Method | 'none' };
  readonly #rejected = new Set<LcpOption['kind']>();
  #loops = 0;
  #weak = 0;
  /** The last one of them. */
  #wanted = '';
  /** How often the peer has asked for a Magic-Number of zero. */
  #zeros = 0;

  constructor(settings: LcpSettings, random: Random) {
    this.#settings = settings;
    this.#random = random;
    this.#ours = { mru: settings.mru, magic: settings.magicNumber ? randomMagic(random) : 0 };
    this.#theirs = { mru: DEFAULT_MRU, magic: 0, auth: 'none' };
  }

  get agreement(): LcpAgreement {
    const line = this.#settings.mru;
    return {
      ourMagic: this.#rejected.has('magic') ? 0 : this.#ours.magic,
      theirMagic: this.#theirs.magic,
      ourMru: this.#rejected.has('mru') ? Math.min(DEFAULT_MRU, line) : this.#ours.mru,
      // The peer may take more than the line carries (RFC 2516 §7).
      theirMru: Math.min(this.#theirs.mru, line),
      auth: this.#theirs.auth,
    };
  }

  /** Why LCP cannot reach an agreement, as a sentence for people; undefined while it still can. */
  get failure(): string | undefined {
    if (this.#loops >= MAX_LOOPS) return 'the line is looped: our own Magic-Number comes back';
    if (this.#weak >= MAX_WEAK) return `the AC insists on ${this.objection}`;
    return undefined;
  }

  /** The authentication that we refuse, for people; undefined for none. */
  get objection(): string | undefined {
    if (this.#weak === 0) return undefined;
    const allowed = this.#settings.auth.join(', ') || 'none';
    return `an authentication that is not allowed: ${this.#wanted}; allowed: ${allowed}`;
  }

  /** Our own Magic-Number came back in a packet that is not a Configure-Request. */
  countLoop(): void {
    this.#loops += 1;
  }

  resume(agreement: LcpAgreement): void {
    this.#ours = { mru: agreement.ourMru, magic: agreement.ourMagic };
    this.#theirs = { mru: agreement.theirMru, magic: agreement.theirMagic, auth: agreement.auth };
    if (agreement.ourMagic === 0) this.#rejected.add('magic');
  }

  /** Keep the Magic-Number: an AC that renegotiates a session after a takeover finds the one it knew. */
  restart(): void {
    this.#rejected.clear();
    this.#loops = 0;
    this.#weak = 0;
    this.#zeros = 0;
    this.#ours = {
      mru: this.#settings.mru,
      magic: this.#settings.magicNumber ? this.#ours.magic || randomMagic(this.#random) : 0,
    };
    this.#theirs = { mru: DEFAULT_MRU, magic: 0, auth: 'none' };
  }

  request(): readonly LcpOption[] {
    const options: LcpOption[] = [];
    if (!this.#rejected.has('mru')) options.push({ kind: 'mru', mru: this.#ours.mru });
    if (this.#settings.magicNumber && !this.#rejected.has('magic'))
      options.push({ kind: 'magic', magic: this.#ours.magic });
    return options;
  }

  judge(option: LcpOption): Verdict<LcpOption> {
    switch (option.kind) {
      case 'mru':
        return option.mru >= INFORMATION.min
          ? 'ack'
          : { nak: { kind: 'mru', mru: this.#settings.mru } };
      case 'authentication':
        return this.#judgeMethod(option);
      case 'magic':
        return this.#judgeMagic(option.magic);
      case 'unknown':
        // Among them ACCM, PFC, ACFC, FCS-Alternatives (RFC 2516 §7), Quality-Protocol and Callback.
        return 'reject';
      default:
        return unreachable(option);
    }
  }

  /** Never weaker than the configuration allows: we name our best, and the AC may take it or leave it. */
  #judgeMethod(option: Extract<LcpOption, { method: AuthMethod }>): Verdict<LcpOption> {
    const { method } = option;
    const allowed = this.#settings.auth;
    if (method !== 'unknown' && allowed.includes(method)) return 'ack';
    this.#weak += 1;
    this.#wanted = methodName(option);
    const best = allowed[0];
    return best === undefined ? 'reject' : { nak: { kind: 'authentication', method: best } };
  }

  #judgeMagic(magic: number): Verdict<LcpOption> {
    const isOurs = magic !== 0 && magic === this.#ours.magic;
    if (isOurs) this.#loops += 1;
    if (magic === 0) this.#zeros += 1;
    // §6.4: both are refused with a different one. An AC that insists on zero has none, which is no reason for no link.
    return isOurs || (magic === 0 && this.#zeros <= MAX_ZEROS)
      ? { nak: { kind: 'magic', magic: randomMagic(this.#random) } }
      : 'ack';
  }

  missing(): readonly LcpOption[] {
    return [];
  }

  accept(theirs: readonly LcpOption[]): void {
    this.#theirs = { mru: DEFAULT_MRU, magic: 0, auth: 'none' };
    for (const option of theirs) {
      if (option.kind === 'mru') this.#theirs.mru = option.mru;
      if (option.kind === 'magic') this.#theirs.magic = option.magic;
      if (option.kind === 'authentication' && option.method !== 'unknown')
        this.#theirs.auth = option.method;
    }
  }

  naked(options: readonly LcpOption[]): void {
    for (const option of options) {
      // M3 of RFC 4638: never above what the line carries. The hint is a wish; a too small one is not followed.
      if (option.kind === 'mru' && option.mru >= INFORMATION.min)
        this.#ours.mru = Math.min(option.mru, this.#settings.mru);
      // §6.4: what the peer proposes may be our own number coming back, so draw another.
      if (option.kind === 'magic' && this.#settings.magicNumber)
        this.#ours.magic = randomMagic(this.#random);
    }
  }

  giveUp(options: readonly LcpOption[]): void {
    this.rejected(options);
  }

  rejected(options: readonly LcpOption[]): void {
    for (const option of options) this.#rejected.add(option.kind);
  }
}
