/**
 * What the Access Concentrator asks for and accepts in LCP, IPCP and IPV6CP, and what it holds against a client that
 * asks for things it must not. It sends nothing.
 */
import { sameOctets, toHex } from '@ppp-thing/protocol/bytes';
import { LCP_OPTION, type LcpOption } from '@ppp-thing/protocol/wire/lcp';
import { formatIpv4, type IpcpOption, type Ipv6cpOption } from '@ppp-thing/protocol/wire/ncp';
import type { ConfigurePacket } from '@ppp-thing/protocol/wire/ppp';
import type { AcAuth } from './ac-auth.ts';
import type { Terms } from './ac-exchange.ts';

type Judgement<Option> = Omit<ConfigurePacket<Option>, 'identifier'>;
type Violation = (text: string) => void;

/** RFC 2516 §7: MUST NOT be requested, or is not recommended, over PPPoE. */
const UNFIT = new Map<number, string>([
  [LCP_OPTION.accm, 'Async-Control-Character-Map'],
  [LCP_OPTION.pfc, 'Protocol-Field-Compression'],
  [LCP_OPTION.acfc, 'Address-and-Control-Field-Compression'],
  [LCP_OPTION.fcsAlternatives, 'FCS-Alternatives'],
]);

/** The worst verdict is the answer: Reject before Nak before Ack (RFC 1661 §5.2–5.4). */
function answer<Option>(
  options: readonly Option[],
  isKnown: (option: Option) => boolean,
  better: (option: Option) => Option | undefined,
): Judgement<Option> {
  const unknown = options.filter((option) => !isKnown(option));
  if (unknown.length > 0) return { code: 'Configure-Reject', options: unknown };
  const naks = options.flatMap((option) => better(option) ?? []);
  if (naks.length > 0) return { code: 'Configure-Nak', options: naks };
  return { code: 'Configure-Ack', options };
}

export class LcpTerms implements Terms<LcpOption> {
  /** What they negotiated; 0 if none. */
  theirMagic = 0;
  theirMru = 1500;
  readonly ourMagic: number;
  readonly #auth: AcAuth;
  readonly #maxPayload: number;
  readonly #violation: Violation;

  constructor(auth: AcAuth, maxPayload: number, ourMagic: number, violation: Violation) {
    this.#auth = auth;
    this.#maxPayload = maxPayload;
    this.ourMagic = ourMagic;
    this.#violation = violation;
  }

  request(): LcpOption[] {
    const method = this.#auth;
    return [
      { kind: 'mru', mru: this.#maxPayload },
      ...(method === 'none' ? [] : [{ kind: 'authentication', method } as const]),
      { kind: 'magic', magic: this.ourMagic },
    ];
  }

  judge(options: readonly LcpOption[]): Judgement<LcpOption> {
    for (const option of options) {
      const name = option.kind === 'unknown' ? UNFIT.get(option.type) : undefined;
      if (name !== undefined) this.#violation(`LCP asks for ${name} (RFC 2516 §7)`);
      if (option.kind === 'mru' && option.mru > this.#maxPayload)
        this.#violation(`LCP asks for an MRU of ${option.mru}, ${this.#maxPayload} was agreed`);
    }
    const verdict = answer(
      options,
      ({ kind }) => kind === 'mru' || kind === 'magic',
      (option): LcpOption | undefined => {
        if (option.kind === 'mru' && option.mru > this.#maxPayload)
          return { kind: 'mru', mru: this.#maxPayload };
        if (option.kind === 'magic' && option.magic === this.ourMagic)
          return { kind: 'magic', magic: (this.ourMagic ^ 0x5555_5555) >>> 0 || 1 };
        return undefined;
      },
    );
    if (verdict.code === 'Configure-Ack') {
      this.theirMagic = 0;
      this.theirMru = 1500;
      for (const option of options) {
        if (option.kind === 'magic') this.theirMagic = option.magic;
        if (option.kind === 'mru') this.theirMru = option.mru;
      }
    }
    return verdict;
  }

  /** We ask for little, and insist on it: a refused authentication ends in giving up. */
  refused(code: 'Configure-Nak' | 'Configure-Reject', options: readonly LcpOption[]): void {
    const kinds = options.map(({ kind }) => kind).join(', ');
    this.#violation(`LCP answers ${code} of ${kinds}`);
  }
}

interface IpcpPlan {
  /** Undefined: we are unnumbered. */
  readonly ours: Uint8Array | undefined;
  /** What this client gets, who asks for `asked`: 0.0.0.0, or an address it had before. */
  readonly theirs: (asked: Uint8Array) => Uint8Array;
  readonly dns: readonly Uint8Array[];
}

export class IpcpTerms implements Terms<IpcpOption> {
  readonly #plan: IpcpPlan;
  readonly #violation: Violation;

  constructor(plan: IpcpPlan, violation: Violation) {
    this.#plan = plan;
    this.#violation = violation;
  }

  request(): IpcpOption[] {
    const { ours } = this.#plan;
    return ours === undefined ? [] : [{ kind: 'address', address: ours }];
  }

  judge(options: readonly IpcpOption[]): Judgement<IpcpOption> {
    const wanted = (option: IpcpOption): Uint8Array | undefined => {
      const [first, second] = this.#plan.dns;
      if (option.kind === 'address') return this.#plan.theirs(option.address);
      if (option.kind === 'dns1') return first;
      return option.kind === 'dns2' ? second : undefined;
    };
    return answer(
      options,
      (option) => wanted(option) !== undefined,
      (option): IpcpOption | undefined => {
        const address = wanted(option);
        if (option.kind === 'unknown' || address === undefined) return undefined;
        return sameOctets(option.address, address) ? undefined : { kind: option.kind, address };
      },
    );
  }

  refused(code: 'Configure-Nak' | 'Configure-Reject'): void {
    const { ours } = this.#plan;
    const address = ours === undefined ? 'none' : formatIpv4(ours);
    this.#violation(`IPCP answers ${code} of our address ${address}`);
  }
}

export class Ipv6cpTerms implements Terms<Ipv6cpOption> {
  readonly #ours: Uint8Array;
  readonly #violation: Violation;

  constructor(ours: Uint8Array, violation: Violation) {
    this.#ours = ours;
    this.#violation = violation;
  }

  request(): Ipv6cpOption[] {
    return [{ kind: 'interfaceId', interfaceId: this.#ours }];
  }

  judge(options: readonly Ipv6cpOption[]): Judgement<Ipv6cpOption> {
    return answer(
      options,
      ({ kind }) => kind === 'interfaceId',
      (option): Ipv6cpOption | undefined => {
        if (option.kind !== 'interfaceId') return undefined;
        const isZero = option.interfaceId.every((octet) => octet === 0);
        if (!isZero && !sameOctets(option.interfaceId, this.#ours)) return undefined;
        const other = Uint8Array.from(this.#ours);
        other[7] = (other[7] ?? 0) ^ 1;
        return { kind: 'interfaceId', interfaceId: other };
      },
    );
  }

  refused(code: 'Configure-Nak' | 'Configure-Reject'): void {
    this.#violation(`IPV6CP answers ${code} of our interface identifier ${toHex(this.#ours)}`);
  }
}
