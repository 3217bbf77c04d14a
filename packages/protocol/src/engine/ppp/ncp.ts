/**
 * The options of IPCP (RFC 1332, RFC 1877) and IPV6CP (RFC 5072), ours and the AC's: addresses, name servers, interface
 * identifiers. We reject compression. It configures no interface.
 */
import { isAmong, isHost, peerLabel } from '../../addresses.ts';
import { sameOctets } from '../../bytes.ts';
import {
  formatIpv4,
  UNSPECIFIED_V4,
  type InterfaceId,
  type IpcpOption,
  type Ipv4Address,
  type Ipv6cpOption,
} from '../../wire/ncp.ts';
import type { Random } from '../hashes.ts';
import type { Options, Verdict } from './options.ts';
import { randomInterfaceId } from '../random.ts';

export const isUnspecified = (octets: Uint8Array): boolean => octets.every((octet) => octet === 0);

type DnsKind = 'dns1' | 'dns2';
const DNS: readonly DnsKind[] = ['dns1', 'dns2'];

export interface Ipv4Agreement {
  readonly ourAddress: Ipv4Address;
  readonly theirAddress: Ipv4Address;
  readonly dns: readonly Ipv4Address[];
}

export interface IpcpSettings {
  /** Whether to ask for name servers. */
  readonly dns: boolean;
  /** Addresses that this router or its partner uses elsewhere: neither end of the link may have one. */
  readonly reserved?: readonly Ipv4Address[];
  /** The AC's end of the link, whatever the AC says. */
  readonly peerAddress?: Ipv4Address;
}

export class IpcpOptions implements Options<IpcpOption> {
  readonly #settings: IpcpSettings;
  readonly #ours: Record<'address' | DnsKind, Ipv4Address>;
  #theirAddress: Ipv4Address = UNSPECIFIED_V4;
  readonly #rejected = new Set<IpcpOption['kind']>();

  /** @param previous the address to ask for, 0.0.0.0 to be given one (RFC 1332 §3.3) */
  constructor(settings: IpcpSettings, previous: Ipv4Address) {
    this.#settings = settings;
    this.#ours = { address: previous, dns1: UNSPECIFIED_V4, dns2: UNSPECIFIED_V4 };
  }

  get agreement(): Ipv4Agreement {
    const { reserved = [], peerAddress } = this.#settings;
    const ourAddress = this.#address;
    return {
      ourAddress,
      theirAddress: peerLabel(peerAddress ?? this.#theirAddress, [ourAddress, ...reserved]),
      // A name server on the loopback, or at a group address, is none.
      dns: DNS.filter((kind) => !this.#rejected.has(kind))
        .map((kind) => this.#ours[kind])
        .filter(isHost),
    };
  }

  /** The AC's address of its end of the link; 0.0.0.0 if it named none. */
  get said(): Ipv4Address {
    return this.#theirAddress;
  }

  /** An address that the AC rejects is none, even if it gave us that one earlier. */
  get #address(): Ipv4Address {
    return this.#rejected.has('address') ? UNSPECIFIED_V4 : this.#ours.address;
  }

  /** Why our address is of no use, as a sentence; undefined if it can be put on an interface. */
  get flaw(): string | undefined {
    const address = this.#address;
    if (isUnspecified(address)) return 'the AC gave us no address';
    const text = formatIpv4(address);
    if (!isHost(address)) return `the AC gave us ${text}, which no host can have`;
    return isAmong(address, this.#settings.reserved ?? [])
      ? `the AC gave us ${text}, which this router has or needs elsewhere`
      : undefined;
  }

  resume(agreement: Ipv4Agreement): void {
    this.#ours.address = agreement.ourAddress;
    this.#ours.dns1 = agreement.dns[0] ?? UNSPECIFIED_V4;
    this.#ours.dns2 = agreement.dns[1] ?? UNSPECIFIED_V4;
    this.#theirAddress = agreement.theirAddress;
  }

  /** Request the same address again: connections live as long as it stays the same. */
  restart(): void {
    this.#rejected.clear();
    this.#theirAddress = UNSPECIFIED_V4;
  }

  request(): readonly IpcpOption[] {
    const kinds = this.#settings.dns ? (['address', ...DNS] as const) : (['address'] as const);
    return kinds
      .filter((kind) => !this.#rejected.has(kind))
      .map((kind) => ({ kind, address: this.#ours[kind] }));
  }

  /** Any address of theirs will do, none and 0.0.0.0 too: it is only a label (`peerLabel`). */
  judge(option: IpcpOption): Verdict<IpcpOption> {
    return option.kind === 'address' ? 'ack' : 'reject';
  }

  missing(): readonly IpcpOption[] {
    return [];
  }

  accept(theirs: readonly IpcpOption[]): void {
    this.#theirAddress = UNSPECIFIED_V4;
    for (const option of theirs) if (option.kind === 'address') this.#theirAddress = option.address;
  }

  naked(options: readonly IpcpOption[]): void {
    for (const option of options)
      if (option.kind !== 'unknown') this.#ours[option.kind] = option.address;
  }

  /** Without name servers there is a link; without an address there is none. */
  giveUp(options: readonly IpcpOption[]): void {
    this.rejected(options.filter(({ kind }) => kind !== 'address'));
    this.naked(options.filter(({ kind }) => kind === 'address'));
  }

  rejected(options: readonly IpcpOption[]): void {
    for (const option of options) this.#rejected.add(option.kind);
  }
}

export interface Ipv6Agreement {
  readonly ours: InterfaceId;
  readonly theirs: InterfaceId;
}

export class Ipv6cpOptions implements Options<Ipv6cpOption> {
  readonly #random: Random;
  #ours: InterfaceId;
  #theirs: InterfaceId | undefined;
  #isRejected = false;

  /** @param previous the identifier of an earlier session, so that the link-local address stays */
  constructor(random: Random, previous: InterfaceId | undefined) {
    this.#random = random;
    this.#ours = previous ?? randomInterfaceId(random);
  }

  /** Undefined if the AC knows no interface identifiers: then there is no link-local address to be had. */
  get agreement(): Ipv6Agreement | undefined {
    if (this.#isRejected || this.#theirs === undefined) return undefined;
    return { ours: this.#ours, theirs: this.#theirs };
  }

  resume(agreement: Ipv6Agreement): void {
    this.#ours = agreement.ours;
    this.#theirs = agreement.theirs;
  }

  restart(): void {
    this.#isRejected = false;
    this.#theirs = undefined;
  }

  request(): readonly Ipv6cpOption[] {
    return this.#isRejected ? [] : [{ kind: 'interfaceId', interfaceId: this.#ours }];
  }

  /** RFC 5072 §4.1: neither zero nor equal to ours; what is refused comes back with a better one. */
  judge(option: Ipv6cpOption): Verdict<Ipv6cpOption> {
    if (option.kind !== 'interfaceId') return 'reject';
    const isUsable = !isUnspecified(option.interfaceId);
    return isUsable && !sameOctets(option.interfaceId, this.#ours) ? 'ack' : { nak: this.#hint() };
  }

  missing(theirs: readonly Ipv6cpOption[]): readonly Ipv6cpOption[] {
    return theirs.some((option) => option.kind === 'interfaceId') ? [] : [this.#hint()];
  }

  accept(theirs: readonly Ipv6cpOption[]): void {
    this.#theirs = undefined;
    for (const option of theirs)
      if (option.kind === 'interfaceId') this.#theirs = option.interfaceId;
  }

  naked(options: readonly Ipv6cpOption[]): void {
    for (const option of options) {
      if (option.kind !== 'interfaceId') continue;
      const { interfaceId } = option;
      const isUsable = !isUnspecified(interfaceId) && !sameOctets(interfaceId, this.#ours);
      this.#ours = isUsable ? interfaceId : randomInterfaceId(this.#random);
    }
  }

  giveUp(): void {
    this.#isRejected = true;
  }

  rejected(): void {
    this.#isRejected = true;
  }

  #hint(): Ipv6cpOption {
    return { kind: 'interfaceId', interfaceId: randomInterfaceId(this.#random) };
  }
}
