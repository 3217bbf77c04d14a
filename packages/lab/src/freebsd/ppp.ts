/**
 * The ppp node with one link: data protocols between the link and `inet`, `ipv6`; everything else between it and `bypass`.
 */
import { concat } from '@ppp-thing/protocol/printable';
import { at, c, fail } from './abi.ts';
import { Node, type Hook, type Message } from './netgraph.ts';
import { be16, set64, u16, u32 } from './octets.ts';

const HOOKS = /^(link\d+|bypass|inet|ipv6)$/;
const IPV4 = 0x0021;
const IPV6 = 0x0057;
/** Without an enabled link only these come in. */
const LINK_PROTOCOLS = 0xb000;
/** LCP, PAP, CHAP: the bundle's counters leave them out. */
const PER_LINK = 0xc000;
const LARGEST_BANDWIDTH = 125000;
const SMALLEST_MRU = 32;
const LARGEST_LATENCY = 1000;

interface Counters {
  xmitFrames: number;
  xmitOctets: number;
  recvFrames: number;
  recvOctets: number;
}
const none = (): Counters => ({ xmitFrames: 0, xmitOctets: 0, recvFrames: 0, recvOctets: 0 });

export class PppNode extends Node {
  readonly type = 'ppp';
  #config: Uint8Array = new Uint8Array(at('ng_ppp_node_conf', 'size'));
  readonly #link = none();
  readonly #bundle = none();

  override accept(hook: string): void {
    if (!HOOKS.test(hook)) fail('EINVAL');
  }

  get #links(): number {
    return at('ng_ppp_node_conf', 'links');
  }

  #linkField(name: string): number {
    return this.#links + at('ng_ppp_link_conf', name);
  }

  override data(from: Hook, octets: Uint8Array): void {
    if (from.name === 'bypass') return this.#fromBypass(octets);
    if (from.name === 'inet') return this.#transmit(IPV4, octets);
    if (from.name === 'ipv6') return this.#transmit(IPV6, octets);
    this.#receive(octets);
  }

  #fromBypass(octets: Uint8Array): void {
    if (octets.length < 4) fail('EINVAL');
    const link = be16(octets, 0);
    if (link !== 0 && link !== 0xffff) fail('ENETDOWN');
    this.#transmit(be16(octets, 2), octets.subarray(4));
  }

  #transmit(protocol: number, packet: Uint8Array): void {
    if (packet.length > u16(this.#config, this.#linkField('mru'))) fail('EMSGSIZE');
    const frame = concat(Uint8Array.of(0xff, 3, protocol >> 8, protocol & 0xff), packet);
    this.#link.xmitFrames++;
    this.#link.xmitOctets += frame.length;
    if (protocol < PER_LINK) {
      this.#bundle.xmitFrames++;
      this.#bundle.xmitOctets += packet.length;
    }
    const hook = this.hook('link0') ?? fail('ENETDOWN');
    hook.send(frame);
  }

  #receive(octets: Uint8Array): void {
    const frame = be16(octets, 0) === 0xff03 ? octets.subarray(2) : octets;
    this.#link.recvFrames++;
    this.#link.recvOctets += frame.length;
    const isShort = ((frame[0] ?? 0) & 1) === 1;
    const protocol = isShort ? (frame[0] ?? 0) : be16(frame, 0);
    const packet = frame.subarray(isShort ? 1 : 2);
    if (this.#config[this.#linkField('enableLink')] === 0 && protocol < LINK_PROTOCOLS) return;
    if (protocol < PER_LINK) {
      this.#bundle.recvFrames++;
      this.#bundle.recvOctets += packet.length;
    }
    const enabled = (name: string): boolean =>
      this.#config[at('ng_ppp_node_conf', `bund.${name}`)] === 1;
    if (protocol === IPV4 && enabled('enableIP')) return this.hook('inet')?.send(packet);
    if (protocol === IPV6 && enabled('enableIPv6')) return this.hook('ipv6')?.send(packet);
    const header = Uint8Array.of(0, 0, protocol >> 8, protocol & 0xff);
    this.hook('bypass')?.send(concat(header, packet));
  }

  override message({ cookie, command, body }: Message): Uint8Array | undefined {
    if (cookie !== c('NGM_PPP_COOKIE')) fail('EINVAL');
    if (command === c('NGM_PPP_GET_CONFIG')) return this.#config.slice();
    if (command === c('NGM_PPP_SET_CONFIG')) return void this.#setConfig(body);
    if (command !== c('NGM_PPP_GET_LINK_STATS64')) fail('EINVAL');
    if (body.length !== 2) fail('EINVAL');
    const counters = { 0: this.#link, 0xffff: this.#bundle }[u16(body, 0)] ?? fail('EINVAL');
    const octets = new Uint8Array(at('ng_ppp_link_stat64', 'size'));
    for (const [name, value] of Object.entries(counters))
      set64(octets, at('ng_ppp_link_stat64', name), Number(value));
    return octets;
  }

  #setConfig(body: Uint8Array): void {
    if (body.length !== at('ng_ppp_node_conf', 'size')) fail('EINVAL');
    const bandwidth = u32(body, this.#linkField('bandwidth'));
    const latency = u32(body, this.#linkField('bandwidth') - 4);
    if (body[this.#linkField('enableLink')] === 1) {
      if (bandwidth === 0 || bandwidth > LARGEST_BANDWIDTH) fail('EINVAL');
      if (latency > LARGEST_LATENCY) fail('EINVAL');
      if (u16(body, this.#linkField('mru')) < SMALLEST_MRU) fail('EINVAL');
    }
    this.#config = body.slice();
  }
}
