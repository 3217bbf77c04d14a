/**
 * The world around the two routers, on the real clock: line, LAN, Access Concentrator, both routers' kernels, the probe
 * and the witness, wired to each other and to the bus. It starts no process.
 */
import { randomBytes } from 'node:crypto';
import { millis } from '@ppp-thing/protocol/time';
import { decodeDhcp6, encodeDhcp6 } from '@ppp-thing/protocol/wire/dhcpv6';
import { ETHERTYPE } from '@ppp-thing/protocol/wire/ethernet';
import { systemHashes } from '@ppp-thing/supervisor/hashes';
import { AccessConcentrator, type AcEvent, type AcOutput } from '../line/ac.ts';
import { ORDINARY, type AcConfig } from '../line/ac-config.ts';
import { CarpPair, type PairEvent, type RoleEdge } from '../line/carp.ts';
import { Delegator } from '../line/delegator.ts';
import { Probe, type Ping, type ProbeEvent } from '../line/probe.ts';
import { LearningSwitch, type SwitchEvent, type SwitchOutput } from '../line/switch.ts';
import { decodeUdp6, encodeUdp6 } from '../line/udp6.ts';
import { Witness, type WitnessEvent } from '../line/witness.ts';
import type { Bus, RouterName } from './bus.ts';
import { now, Queue, Runner } from './clock.ts';
import type { Dhcp6Port } from './dhcp6.ts';
import { LanHost } from './lan-host.ts';
import { Machine, type MachineNews } from './machine.ts';
import { ADDRESSES, DHCP6_PORT, LEASE, PASSWORD, USER } from './setting.ts';
import { unreachable } from '@ppp-thing/protocol/unreachable';

export const ROUTERS: readonly RouterName[] = ['r1', 'r2'];
const AC_PORT = 'ac';
const PROBE_INTERVAL = millis(10);
/** How long a router may be heard after it left MASTER: the edges' distance, and a loaded machine's scheduling. */
const GRACE = millis(150);
/** The LAN's and the line's delay. */
const LAN_DELAY = millis(2);

interface WorldOptions {
  /** How long a second of CARP's lasts, milliseconds. */
  readonly carpSecondMs: number;
  readonly bus: Bus;
  /** Each router's UDP port 546; without them they ask for no prefix. */
  readonly dhcp6?: Readonly<Record<RouterName, Dhcp6Port>> | undefined;
}

export class World {
  readonly ac: AccessConcentrator;
  readonly lan: CarpPair;
  readonly carpSecondMs: number;
  readonly witness = new Witness(GRACE);
  readonly probe = new Probe(PROBE_INTERVAL);
  readonly lanHost = new LanHost();
  readonly #delegator = new Delegator(LEASE);
  readonly #bus: Bus;
  readonly #queue = new Queue();
  readonly #machines = new Map<RouterName, Machine>();
  readonly #runners: {
    readonly line: Runner<SwitchEvent, SwitchOutput>;
    readonly lan: Runner<PairEvent, RoleEdge>;
    readonly ac: Runner<AcEvent, AcOutput>;
    readonly probe: Runner<ProbeEvent, Ping>;
  };

  constructor({ carpSecondMs, bus, dhcp6 }: WorldOptions) {
    this.#bus = bus;
    this.carpSecondMs = carpSecondMs;
    const station = { advbase: 1, preempt: true, secondMs: carpSecondMs };
    // r1 is the preferred router; both preempt, without which a planned handoff could not be immediate.
    this.lan = new CarpPair(
      [
        { ...station, advskew: 0 },
        { ...station, advskew: 100 },
      ],
      LAN_DELAY,
    );
    this.ac = new AccessConcentrator(acConfig());
    const line = new LearningSwitch([...ROUTERS, AC_PORT]);
    const queue = this.#queue;
    this.#runners = {
      line: new Runner(line, queue, (output) => this.#fromLine(output)),
      lan: new Runner(this.lan, queue, (edge) => this.#fromLan(edge)),
      ac: new Runner(this.ac, queue, (output) => this.#fromAc(output)),
      probe: new Runner(this.probe, queue, ({ sequence }) => {
        this.#runners.ac.feed({ kind: 'ping', sequence });
        this.#fromLanHost();
      }),
    };
    for (const name of ROUTERS) {
      const options = { router: name, queue, news: this.#news(name), dhcp6: dhcp6?.[name] };
      this.#machines.set(name, new Machine(options));
      this.#runners.line.feed({ kind: 'link', port: name, up: false });
    }
  }

  /** A fresh kernel, its cables plugged in, listening for a helper at `path`. CARP comes up demoted by `demotion`. */
  async powerOn(router: RouterName, path: string, demotion: number): Promise<void> {
    await this.machine(router).powerOn(path, demotion);
    this.#runners.line.feed({ kind: 'link', port: router, up: true });
    this.#runners.lan.feed({ kind: 'link', station: ROUTERS.indexOf(router), up: true });
  }

  /** Both cables dead, the kernel and everything in it gone, all at once. */
  async powerCut(router: RouterName): Promise<void> {
    const gone = this.machine(router).powerOff();
    this.#runners.line.feed({ kind: 'link', port: router, up: false });
    this.#runners.lan.feed({ kind: 'power-cut', station: ROUTERS.indexOf(router) });
    this.#testify({ kind: 'gate', port: router, open: false });
    this.#testify({ kind: 'role', port: router, role: 'INIT' });
    await gone;
  }

  startProbe(): void {
    this.#runners.probe.feed({ kind: 'start' });
  }

  /** From now on the AC has IPv6 alone. */
  withoutIpv4(): void {
    this.#runners.ac.feed({ kind: 'temper', temper: { ipv4: false } });
  }

  role(router: RouterName): string {
    return this.lan.role(ROUTERS.indexOf(router));
  }

  demotion(router: RouterName): number {
    return this.lan.demotion(ROUTERS.indexOf(router));
  }

  /** The IPv6 address on the LAN, of each router that is on. */
  get lanAddresses6(): ReadonlyMap<RouterName, string | undefined> {
    const on = [...this.#machines].filter(([, { isOn }]) => isOn);
    return new Map(on.map(([name, { lanAddress6 }]) => [name, lanAddress6]));
  }

  async stop(): Promise<void> {
    for (const runner of Object.values(this.#runners)) runner.stop();
    await Promise.all([...this.#machines.values()].map(async (machine) => machine.powerOff()));
  }

  machine(router: RouterName): Machine {
    const machine = this.#machines.get(router);
    if (machine === undefined) throw new Error(`no router ${router}`);
    return machine;
  }

  #news(router: RouterName): MachineNews {
    return {
      transmit: (frame) => {
        this.#testify({ kind: 'frame', port: router, frame });
        this.#runners.line.feed({ kind: 'frame', port: router, frame });
        if (isControl(frame)) this.#bus.tell({ kind: 'spoke', router });
      },
      gate: (open) => {
        this.#testify({ kind: 'gate', port: router, open });
        this.#bus.tell({ kind: 'gate', router, open });
      },
      toPartner: (packet) => this.#queue.do(() => this.#toPartner(router, packet)),
      attached: (sessionId) => this.#bus.tell({ kind: 'attached', router, sessionId }),
      demotion: (amount) => {
        this.#runners.lan.feed({ kind: 'demotion', station: ROUTERS.indexOf(router), amount });
        this.#bus.tell({ kind: 'demotion', router, amount });
      },
    };
  }

  /** The LAN's next hop is the router that has the virtual address. */
  #fromLanHost(): void {
    const router = ROUTERS.find((name) => this.role(name) === 'MASTER');
    if (router !== undefined) this.machine(router).lan(this.lanHost.packet());
  }

  #toPartner(from: RouterName, packet: Uint8Array): void {
    const other = ROUTERS.find((name) => name !== from);
    if (other === undefined) return;
    if (this.lanHost.crosses(packet)) return this.machine(other).lan(packet);
    this.#bus.tell({ kind: 'violation', text: `R13: ${from} sends a packet back to ${other}` });
  }

  #fromLan({ station, role, reason }: RoleEdge): void {
    const router = ROUTERS[station];
    if (router === undefined) return;
    this.#testify({ kind: 'role', port: router, role });
    this.#bus.tell({ kind: 'role', router, role, reason });
    this.machine(router).role(role);
  }

  #fromLine(output: SwitchOutput): void {
    if (output.kind === 'moved') {
      this.#bus.tell({ kind: 'moved', from: output.from, to: output.to });
    } else if (output.port === AC_PORT) {
      this.#runners.ac.feed({ kind: 'frame', frame: output.frame });
    } else {
      const router = ROUTERS.find((name) => name === output.port);
      if (router !== undefined) this.machine(router).frame(output.frame);
    }
  }

  #fromAc(output: AcOutput): void {
    switch (output.kind) {
      case 'send':
        this.#runners.line.feed({ kind: 'frame', port: AC_PORT, frame: output.frame });
        return;
      case 'pong':
        this.#runners.probe.feed({ kind: 'pong', sequence: output.sequence });
        this.#bus.tell({ kind: 'pong', sequence: output.sequence });
        return;
      case 'packet':
        return this.#fromClient(output.packet);
      case 'note':
        this.#bus.tell({ kind: 'ac', text: output.text });
        return;
      case 'violation':
        this.#bus.tell({ kind: 'violation', text: `ac: ${output.text}` });
        return;
      case 'padt':
        this.#bus.tell({ kind: 'violation', text: `ac: PADT for session ${output.sessionId}` });
        return;
      case 'dial':
      case 'up':
      case 'closed':
        this.#bus.tell(output);
        return;
      default:
        return unreachable(output);
    }
  }

  /** The Internet is elsewhere; only the AC's DHCPv6 server is here. */
  #fromClient(packet: Uint8Array): void {
    const asked = decodeUdp6(packet);
    if (asked?.destinationPort !== DHCP6_PORT.server) return;
    const message = decodeDhcp6(asked.octets);
    this.#bus.tell({ kind: 'dhcp6', type: message.type });
    if (message.type === 'Renew' && !this.#delegator.isDue(now()))
      this.#bus.tell({ kind: 'violation', text: 'DHCPv6: Renew before T1' });
    const answer = this.#delegator.answer(message, now());
    if (answer === undefined) return;
    const back = {
      source: ADDRESSES.server6,
      destination: asked.source,
      sourcePort: asked.destinationPort,
      destinationPort: asked.sourcePort,
      octets: encodeDhcp6(answer),
    };
    this.#runners.ac.feed({ kind: 'packet', packet: encodeUdp6(back) });
  }

  #testify(event: WitnessEvent): void {
    for (const { text } of this.witness.handle(event, now()))
      this.#bus.tell({ kind: 'violation', text: `line: ${text}` });
  }
}

/** A session's frame with a PPP protocol that no kernel says of itself: a helper, and a supervisor, live behind it. */
function isControl(frame: Uint8Array): boolean {
  const u16 = (at: number): number => ((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0);
  return u16(12) === ETHERTYPE.PPPOE_SESSION && u16(20) >= 0x8000;
}

function acConfig(): AcConfig {
  return {
    ...ORDINARY,
    mac: ADDRESSES.acMac,
    name: 'bras1',
    passwords: new Map([[USER, PASSWORD]]),
    address: ADDRESSES.ac,
    pool: [ADDRESSES.public, ADDRESSES.other],
    dns: [ADDRESSES.dns],
    ipv6: true,
    // It gives up a session that nobody answers for, after a minute: a router's programs may take half of that to start on a
    // machine that has much else to do.
    echo: { interval: millis(2000), failures: 30, dataCheck: false },
    hashes: systemHashes,
    random: (length) => new Uint8Array(randomBytes(length)),
  };
}
