/**
 * The NCPs of one session, IPCP and IPV6CP, each with its automaton. `phases.ts` decides what their layers going up or down
 * means for the link.
 */
import type { Instant } from '../../time.ts';
import {
  UNSPECIFIED_V4,
  type IpcpOption,
  type Ipv4Address,
  type Ipv6cpOption,
} from '../../wire/ncp.ts';
import type { PppPacket } from '../../wire/ppp.ts';
import {
  IpcpOptions,
  Ipv6cpOptions,
  isUnspecified,
  type Ipv4Agreement,
  type Ipv6Agreement,
} from './ncp.ts';
import { isSettled, Negotiation, type LayerSignal } from './negotiation.ts';
import { namesOf } from './options.ts';
import type { PppShared } from './shared.ts';
import type { SessionFacts } from '../../session.ts';

export type Ncp = 'ipcp' | 'ipv6cp';
type LowerLayer = 'Open' | 'Close' | 'Up' | 'Down' | 'RXJ-';

export class Ncps {
  readonly #ipcpOptions: IpcpOptions;
  readonly #ipcp: Negotiation<IpcpOption>;
  readonly #ipv6cpOptions: Ipv6cpOptions;
  readonly #ipv6cp: Negotiation<Ipv6cpOption>;

  /** @param previous facts of an earlier session: request its addresses again */
  constructor(previous: SessionFacts | null, peerMru: () => number, shared: PppShared) {
    const { config, random, out } = shared;
    this.#ipcpOptions = new IpcpOptions(config, previous?.ourAddress ?? UNSPECIFIED_V4);
    this.#ipcp = new Negotiation('ipcp', this.#ipcpOptions, peerMru, shared, (packet) =>
      out({ kind: 'send-ppp', packet: { protocol: 'IPCP', packet } }),
    );
    this.#ipv6cpOptions = new Ipv6cpOptions(random, previous?.interfaceIds?.ours);
    this.#ipv6cp = new Negotiation('ipv6cp', this.#ipv6cpOptions, peerMru, shared, (packet) =>
      out({ kind: 'send-ppp', packet: { protocol: 'IPV6CP', packet } }),
    );
  }

  /** Whether an NCP was never begun in this session. */
  isNew(ncp: Ncp): boolean {
    return (ncp === 'ipcp' ? this.#ipcp : this.#ipv6cp).state === 'Initial';
  }

  get ipv4(): Ipv4Agreement | undefined {
    return this.#ipcp.state === 'Opened' ? this.#ipcpOptions.agreement : undefined;
  }

  /** The AC's address of its end of the link; 0.0.0.0 if it named none. */
  get peerSaid(): Ipv4Address {
    return this.#ipcpOptions.said;
  }

  /** Why the address that was agreed on is of no use. */
  get flaw(): string | undefined {
    return this.#ipcpOptions.flaw;
  }

  get ipv6(): Ipv6Agreement | undefined {
    return this.#ipv6cp.state === 'Opened' ? this.#ipv6cpOptions.agreement : undefined;
  }

  /** IPV6CP is being negotiated. */
  get mayOpenIpv6(): boolean {
    return !isSettled(this.#ipv6cp.state);
  }

  /** IPCP is Opened, and the AC gave no address in it. */
  get isWithoutAddress(): boolean {
    return isUnspecified(this.#ipcpOptions.agreement.ourAddress);
  }

  /** The options without which the AC does not agree, for people; '' if it said none. */
  insists(ncp: Ncp): string {
    const options = (ncp === 'ipcp' ? this.#ipcp : this.#ipv6cp).insists;
    return namesOf<IpcpOption | Ipv6cpOption>(options, (option) =>
      option.kind === 'unknown' ? `option ${option.type}` : option.kind,
    );
  }

  get identifiers(): Record<Ncp, number> {
    return { ipcp: this.#ipcp.identifier, ipv6cp: this.#ipv6cp.identifier };
  }

  expire(now: Instant): Record<Ncp, LayerSignal | undefined> {
    return { ipcp: this.#ipcp.expire(now), ipv6cp: this.#ipv6cp.expire(now) };
  }

  fire(ncp: Ncp, event: LowerLayer, now: Instant): LayerSignal | undefined {
    return (ncp === 'ipcp' ? this.#ipcp : this.#ipv6cp).fire(event, now);
  }

  resume(facts: SessionFacts): void {
    const { identifiers, interfaceIds } = facts;
    if (facts.ourAddress !== undefined) {
      this.#ipcpOptions.resume(facts);
      this.#ipcp.resume(identifiers.ipcp);
    }
    if (interfaceIds !== undefined) {
      this.#ipv6cpOptions.resume(interfaceIds);
      this.#ipv6cp.resume(identifiers.ipv6cp);
    }
  }

  receive(
    ppp: Extract<PppPacket, { protocol: 'IPCP' | 'IPV6CP' }>,
    now: Instant,
  ): LayerSignal | undefined {
    return ppp.protocol === 'IPCP'
      ? this.#ipcp.receive(ppp.packet, now)
      : this.#ipv6cp.receive(ppp.packet, now);
  }
}
