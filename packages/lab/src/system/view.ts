/**
 * One session of the whole system as the rules see it: what is in each router's kernel and on its disk, read from outside,
 * octets where the product has octets. It changes nothing.
 */
import type { OwnerStatus } from '@ppp-thing/protocol/engine/engine';
import { NO_SNAPSHOT, type Snapshot, type Role } from '@ppp-thing/protocol/session';
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { ETHERTYPE } from '@ppp-thing/protocol/wire/ethernet';
import { networkOf } from '@ppp-thing/protocol/wire/ipv6';
import { parseIpv4 } from '@ppp-thing/protocol/wire/ncp';
import { Log } from '@ppp-thing/supervisor/log';
import { Store } from '@ppp-thing/supervisor/store';
import type { SimKernel } from '../campaign/kernel.ts';
import type { RouterIndex } from '../campaign/faults.ts';
import type { RouterView } from '../campaign/stage.ts';
import type { FakeKernel } from '../freebsd/kernel.ts';
import { EtfNode } from '../freebsd/nodes.ts';
import { PppoeNode } from '../freebsd/pppoe.ts';
import type { SystemRouter } from './router.ts';
import { AC_MAC, LAN, LAN_ADDRESS, OUR_DEMOTION, STATE } from './setting.ts';

/** As the delegator makes them. */
const LINE_OCTET = 5;
const PREFIX_BITS = 56;
const NOTHING: SimKernel = { attached: null, gate: false, isUp: undefined, route: 'none' };

export class SessionView implements RouterView {
  readonly index: RouterIndex;
  readonly #router: SystemRouter;
  readonly #session: string;
  readonly #all: readonly string[];
  readonly #role: () => Role;
  #kernel: { readonly changes: number; readonly found: SimKernel } | undefined;
  #disk: { readonly version: number; readonly found: Snapshot } | undefined;

  /**
   * @param all  every session of the router
   * @param role what CARP says
   */
  constructor(router: SystemRouter, session: string, all: readonly string[], role: () => Role) {
    this.index = router.index;
    this.#router = router;
    this.#session = session;
    this.#all = all;
    this.#role = role;
  }

  get isPowered(): boolean {
    return this.#router.isPowered;
  }

  get helper(): RouterView['helper'] {
    if (this.#router.helper?.serving === undefined) return undefined;
    const { autoOpen = false, settings = false } = this.#router.told.get(this.#session) ?? {};
    // A kernel that refuses gives an interface nothing, whatever the helper knows.
    return { autoOpen, settings: settings && this.#router.refusals === 0 };
  }

  get supervisor(): RouterView['supervisor'] {
    return this.#router.supervisor && { connected: this.#router.isConnected };
  }

  get kernel(): Readonly<SimKernel> {
    const { changes } = this.#router;
    if (this.#kernel?.changes !== changes) this.#kernel = { changes, found: this.#look() };
    const { found } = this.#kernel;
    if (this.#session === this.#all[0]) return found;
    // Only the first session has a default route to look after; the others' would be as it must be.
    const isPartners = !found.gate && this.#role() !== 'MASTER';
    return { ...found, route: found.gate ? 'session' : isPartners ? 'partner' : 'none' };
  }

  get disk(): Snapshot {
    const { disk } = this.#router;
    const { version } = disk;
    if (this.#disk?.version !== version) this.#disk = { version, found: this.#load() };
    return this.#disk.found;
  }

  get isLate(): boolean {
    return this.#router.isLate;
  }

  get isRefusing(): boolean {
    return this.#router.refusals > 0;
  }

  get isDiskFull(): boolean {
    return (
      this.#router.disk.refusal !== undefined || this.#router.syncMs > 0 || this.#router.isStalled
    );
  }

  /** The kernel shows the sum of all sessions: it is ours that is in force where the sum is what all want. */
  get demoted(): boolean {
    const wants = (session: string): boolean =>
      (this.#router.status(session)?.demoted ?? []).length > 0;
    const sum = this.#all.filter(wants).length * OUR_DEMOTION;
    const isRight = this.#router.kernel?.carp.demotion === sum;
    return isRight === wants(this.#session);
  }

  status(): OwnerStatus | undefined {
    return this.#router.status(this.#session);
  }

  #load(): Snapshot {
    const log = new Log(
      'error',
      () => undefined,
      () => 0,
    );
    const nothing = (): void => undefined;
    const left = this.#router.disk.remains().calls(nothing, nothing);
    return new Store(STATE, log, left).load(this.#session) ?? NO_SNAPSHOT;
  }

  #look(): SimKernel {
    const { kernel } = this.#router;
    if (kernel === undefined) return NOTHING;
    const part = (letter: string) => kernel.netgraph.named(`pt_${this.#session}_${letter}`);
    const pppoe = part('p');
    const etf = part('e');
    const sessionId = pppoe instanceof PppoeNode ? pppoe.sessions[0] : undefined;
    const line = kernel.interfaces.all().find(({ name }) => name === this.#session);
    const hasAddress = line !== undefined && line.addresses.length > 0;
    const partner = parseIpv4(LAN_ADDRESS[1 - this.index === 0 ? 0 : 1]) ?? new Uint8Array(4);
    const gateway = kernel.routes.default();
    const via =
      gateway === undefined ? 'none' : sameOctets(gateway, partner) ? 'partner' : 'session';
    return {
      attached:
        sessionId === undefined ? null : { sessionId, acMac: AC_MAC, ourMac: new Uint8Array(6) },
      gate: etf instanceof EtfNode && etf.filters.has(ETHERTYPE.PPPOE_SESSION),
      isUp: hasAddress ? line.isUp : undefined,
      route: this.#session === this.#all[0] ? via : 'none',
      prefixes: this.#prefixes(kernel),
    };
  }

  /** The current prefix, of which the LAN has an address; former prefixes do not count. */
  #prefixes(kernel: FakeKernel): string {
    const session = this.#all.indexOf(this.#session);
    const { best6 } = kernel.interfaces.get(LAN);
    const best = best6.find((address) => address[LINE_OCTET] === session);
    return best === undefined ? '' : networkOf(best, PREFIX_BITS).join('.');
  }
}
