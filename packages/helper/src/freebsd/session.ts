/**
 * One session on FreeBSD: its graph, its descriptor on the line, its interfaces' addresses and its routes. It performs the
 * verbs of `../backend.ts` for that session. `backend.ts` watches the role and the carrier.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { encodeAnnounce, decodeAnnounce, ETHERTYPE_ANNOUNCE, type Announced } from '../announce.ts';
import { EarlyFrames, ETHERTYPE_SESSION } from '../early-frames.ts';
import { BackendError } from '../errors.ts';
import type {
  BackendEvents,
  Counters,
  KernelState,
  Key,
  Role,
  SessionSettings,
} from '../backend.ts';
import type { SessionVerbs, Settings, Via } from '../backend.ts';
import type { Libc } from '../libc.ts';
import type { Loop } from '../loop.ts';
import type { SessionPolicy } from '../policy.ts';
import { sameKey, sameSettings } from '../settings.ts';
import { POLLIN } from '../unix.ts';
import { C, S } from './abi.ts';
import * as addressing from './addressing.ts';
import { Arming } from './arming.ts';
import { Bpf } from './bpf.ts';
import { claimRole, roleOf, vhidName, vhidOf, type Vhid } from './carp.ts';
import type { Demotion } from './demotion.ts';
import { anyway, attempt, refuses, unless } from './errors.ts';
import { BYPASS, Graph } from './graph.ts';
import type { Interfaces } from './interface.ts';
import { NetgraphSocket, type Message } from './netgraph.ts';
import { tellOfOriginal } from './leavings.ts';
import { textAt, u64At } from './octets.ts';
import { DISCOVERY } from './programs.ts';
import { inWords } from './route.ts';

const GET_STATS = { cookie: C.NGM_PPP_COOKIE, command: C.NGM_PPP_GET_LINK_STATS64 };
/** The one link of the bundle, as GET_LINK_STATS64 and the frames on `bypass` name it. */
const THE_LINK = Uint8Array.of(0, 0);
const BYPASS_HEADER = 4;
const ETHERNET_HEADER = 14;
/** IPv4 and IPv6: if the kernel ever delivers data here, do not read it. */
const DATA_PROTOCOLS: readonly number[] = [0x0021, 0x0057];
const BATCH = 64;

/** Shared by all sessions of a backend. */
export interface Shared {
  readonly libc: Libc;
  readonly loop: Loop;
  readonly events: BackendEvents;
  readonly interfaces: Interfaces;
  readonly demotion: Demotion;
  /** Every session that is served. */
  readonly sessions: () => Iterable<FreebsdSession>;
  readonly log: (line: string) => void;
}

export class FreebsdSession implements SessionVerbs {
  readonly policy: SessionPolicy;
  /** Without one this router is the only one. */
  readonly vhid: Vhid | undefined;
  /** As last noticed. */
  role: Role;
  carrier: boolean;
  readonly #shared: Shared;
  readonly #netgraph: NetgraphSocket;
  readonly #graph: Graph;
  readonly #arming: Arming;
  /** Undefined from when the line's interface goes until it is back. */
  #bpf: Bpf | undefined;
  #gateOpen = false;
  /** Gateways of other programs' default routes that have been logged. */
  readonly #toldOfRoutes = new Set<string>();
  /** Of the IPv4 default route that we set. */
  #gateway: Uint8Array | undefined;
  #settings: Settings | undefined;
  readonly #early = new EarlyFrames();
  /** Armed by an earlier helper, to which the kernel would report the session's end. */
  #adopted = false;

  /**
   * Build, or adopt what is there; throws with nothing half-built left behind. The gate stays open only if it was, and
   * the role allows it.
   */
  constructor(shared: Shared, policy: SessionPolicy) {
    const { libc, loop, interfaces } = shared;
    const { name, mac } = policy;
    this.#shared = shared;
    this.policy = policy;
    this.vhid = policy.carp && vhidOf(policy.carp);
    this.role = roleOf(interfaces, this.vhid, 'strict');
    this.carrier = this.#carrierOfLine();
    const mayBeOpen = policy.policy !== 'follow-carp' || this.role === 'MASTER';
    this.#netgraph = attempt(
      'open netgraph for',
      name,
      () => new NetgraphSocket(libc, Graph.socketName(name)),
      { EADDRINUSE: 'another helper serves this session' },
    );
    this.#graph = new Graph(this.#netgraph, interfaces, policy);
    this.#arming = new Arming(this.#netgraph, this.#graph, name, mac);
    let bpf: Bpf | undefined;
    try {
      // First the step that leaves no trace if it fails: it finds a missing interface or device.
      bpf = new Bpf(libc, policy.interface, mac);
      this.#start(mayBeOpen);
    } catch (error) {
      bpf?.close();
      this.#netgraph.close();
      throw error;
    }
    this.#listen(bpf);
    loop.watch(this.#netgraph.data, POLLIN, () => this.#readData());
    loop.watch(this.#netgraph.control, POLLIN, () => this.#readEvents());
  }

  #start(mayBeOpen: boolean): void {
    const { name, interface: line } = this.policy;
    // The original's graph may still forward a session: an operator must allow its removal.
    const clearing = mayBeOpen ? undefined : (): void => tellOfOriginal(line, this.#shared.log);
    const state = this.#graph.start(clearing);
    if (state === undefined) return;
    attempt('adopt session', name, () => {
      this.#arming.adopt();
      this.#adopted = this.#arming.hook !== undefined;
      const stays = state === 'open' && mayBeOpen && this.#adopted;
      if (state !== 'closed' && !stays) this.#graph.gate.close();
      this.#graph.gate.join();
      this.#gateOpen = stays;
      if (stays) this.#leavePartner();
      // The kernel took the old MAC into the session.
      if (state === 'other mac') this.#arming.disarm();
    });
  }

  /** An earlier helper may have died between the gate that it opened and the route (R13). */
  #leavePartner(): void {
    const { libc, interfaces, log } = this.#shared;
    anyway(() => addressing.leavePartner(libc, interfaces, this.policy), log);
  }

  #listen(bpf: Bpf): void {
    this.#bpf = bpf;
    this.#shared.loop.watch(bpf.fd, POLLIN, () => this.#readLine(bpf));
  }

  /** A descriptor does not come back with its interface, and neither does what was joined to the interface's node. */
  #lineGone(bpf: Bpf): void {
    const { loop, log } = this.#shared;
    log(`read line of ${this.policy.name}: ENXIO: ${this.policy.interface} has gone`);
    loop.unwatch(bpf.fd);
    bpf.close();
    this.#bpf = undefined;
    // An interface that was recreated at once is there already.
    anyway(() => this.#findLine(), log);
  }

  /** Once a second while the line's interface is gone. */
  #findLine(): void {
    const { libc, interfaces, events, log } = this.#shared;
    const { name, interface: line, mac } = this.policy;
    if (unless(['ENXIO'], () => interfaces.flags(line)) === undefined) return;
    attempt('join line of', name, () => this.#graph.followParent());
    this.#listen(new Bpf(libc, line, mac));
    log(`${line} is back`);
    const carrier = this.readCarrier();
    if (carrier !== this.carrier) events.carrier(name, carrier);
    this.carrier = carrier;
  }

  readRole(): Role {
    return roleOf(this.#shared.interfaces, this.vhid);
  }

  /** A new interface has none until it is joined: a router that became MASTER for its sake would send nothing. */
  readCarrier(): boolean {
    return this.#bpf !== undefined && this.#carrierOfLine();
  }

  #carrierOfLine(): boolean {
    const { interface: line } = this.policy;
    return attempt('read carrier of', line, () => this.#shared.interfaces.carrier(line));
  }

  inspect(): KernelState {
    const { attached, gateOpen } = this;
    const demoted = this.#shared.demotion.isDemoted(this.policy);
    return { role: this.readRole(), carrier: this.readCarrier(), attached, gateOpen, demoted };
  }

  claim(): void {
    const { vhid } = this;
    if (vhid === undefined)
      throw new BackendError('claim', this.policy.name, 'ENXIO', 'it has no vhid');
    const { interfaces } = this.#shared;
    attempt('claim vhid', vhidName(vhid), () => claimRole(interfaces, vhid), {
      EPERM: 'may root change a vhid in this jail',
      EINVAL: 'does it speak VRRPv3 (carpver 3); use carpver 2',
    });
  }

  demote(on: boolean): void {
    this.#shared.demotion.set(this.policy, on);
  }

  adoptDemotion(amount: number): boolean {
    return this.#shared.demotion.adopt(this.policy, amount);
  }

  get attached(): Key | null {
    return this.#arming.key;
  }

  get gateOpen(): boolean {
    return this.#gateOpen;
  }

  sendDiscovery(destination: Uint8Array, payload: Uint8Array): void {
    const { mac } = this.policy;
    const isGroup = ((destination[0] ?? 0) & 1) === 1;
    if (this.#arming.key === null && !isGroup) this.#early.keep(destination);
    const frame = new Uint8Array(ETHERNET_HEADER + payload.length);
    frame.set(destination, 0);
    frame.set(mac, 6);
    new DataView(frame.buffer).setUint16(12, DISCOVERY);
    frame.set(payload, ETHERNET_HEADER);
    this.#send('discovery-send', frame);
  }

  announce(announced: Announced): void {
    this.#send('announce', encodeAnnounce(this.policy.mac, announced));
  }

  #send(verb: string, frame: Uint8Array): void {
    const { name, interface: line } = this.policy;
    const bpf = this.#bpf;
    if (bpf === undefined) throw new BackendError(verb, name, 'ENXIO', `${line} has gone`);
    attempt(verb, name, () => bpf.write(frame), {
      ENETDOWN: `${line} is down`,
      ENXIO: `${line} has gone`,
    });
  }

  attach(key: Key, maxPayload: number): void {
    const present = this.#arming.key;
    if (present !== null && sameKey(present, key)) {
      attempt('attach', this.policy.name, () => this.#graph.configureLink(true, maxPayload));
      return;
    }
    this.detach();
    this.#arming.arm(key, maxPayload);
    this.#adopted = false;
  }

  detach(): void {
    this.gate(false);
    this.#arming.disarm();
  }

  gate(open: boolean): void {
    const { name } = this.policy;
    if (open && this.#arming.hook === undefined)
      throw new BackendError('gate', name, 'ENOTCONN', 'no session is attached');
    if (open === this.#gateOpen) return;
    const { gate } = this.#graph;
    if (open) {
      // Of a dialled session, the AC's packets behind the closed gate are in this descriptor only.
      if (this.#early.isKeeping && this.#bpf !== undefined) this.#readLine(this.#bpf);
      attempt('open gate of', name, () => gate.open());
      this.#gateOpen = true;
      this.#handOver();
      return;
    }
    attempt('close gate of', name, () => gate.close());
    this.#gateOpen = false;
    this.#joinGate();
  }

  #handOver(): void {
    const { key } = this.#arming;
    const packets = key === null ? [] : this.#early.take(key);
    for (const { protocol, packet } of packets)
      this.#shared.events.pppFrame(this.policy.name, protocol, packet);
  }

  /** Prepare the gate so that one message opens it. A failure is retried once a second. */
  #joinGate(): void {
    anyway(
      () => this.#graph.gate.join(),
      (message) => this.#shared.log(`join gate of ${this.policy.name}: ${message}`),
    );
  }

  sendPpp(protocol: number, packet: Uint8Array): void {
    const { name } = this.policy;
    if (!this.#gateOpen) throw new BackendError('ppp-send', name, 'ENETDOWN', 'the gate is closed');
    const octets = new Uint8Array(BYPASS_HEADER + packet.length);
    octets.set([protocol >> 8, protocol & 0xff], 2);
    octets.set(packet, BYPASS_HEADER);
    attempt('ppp-send', name, () => this.#netgraph.sendData(BYPASS, octets));
  }

  configure(settings: Settings): void {
    addressing.configure(this.#shared.interfaces, this.policy, this.#settings, settings);
    this.#settings = settings;
  }

  raise(settings: SessionSettings): void {
    const present = this.#settings;
    const wanted = { ...settings, up: true };
    if (present === undefined || !sameSettings(present, settings)) return this.configure(wanted);
    addressing.setUp(this.#shared.interfaces, this.policy.name, true);
    this.#settings = wanted;
  }

  deconfigure(): void {
    addressing.deconfigure(this.#shared.interfaces, this.policy, this.#settings);
    this.#settings = undefined;
  }

  route(via: Via): void {
    const { libc, interfaces, log } = this.#shared;
    const ids = this.#settings?.interfaceIds ?? undefined;
    const way = {
      via,
      theirs: ids?.theirs,
      before: this.#gateway,
      isShared: (gateway: Uint8Array) => this.#others().some((other) => other.leadsTo(gateway)),
      beside: (gateway: Uint8Array) => this.#tellOfRoute(gateway),
      log,
    };
    this.#gateway = addressing.route(libc, interfaces, this.policy, way);
  }

  /** Whether its default route is to this gateway. */
  leadsTo(gateway: Uint8Array): boolean {
    return this.#gateway !== undefined && sameOctets(this.#gateway, gateway);
  }

  /** The sessions whose default routes stand in the same FIB. */
  #others(): FreebsdSession[] {
    return [...this.#shared.sessions()].filter(
      (other) => other !== this && other.policy.fib === this.policy.fib,
    );
  }

  /** Somebody added a default route: the kernel divides the traffic between that one and ours. */
  routeAdded(gateway: Uint8Array): void {
    if (this.#gateway !== undefined) this.#tellOfRoute(gateway);
  }

  /** Logs each gateway once. */
  #tellOfRoute(gateway: Uint8Array): void {
    const { partnerAddress, name } = this.policy;
    const theirs = this.#settings?.theirAddress;
    const own = [partnerAddress, theirs, this.#gateway].filter((each) => each != null);
    if (own.some((each) => sameOctets(each, gateway))) return;
    if (this.#others().some((other) => other.leadsTo(gateway))) return;
    const { text, remedy } = inWords(gateway);
    if (this.#toldOfRoutes.has(text)) return;
    this.#toldOfRoutes.add(text);
    this.#shared.log(
      `route ${name}: EEXIST: another program has a default route to ${text}, which takes part of the traffic; ` +
        `${remedy}, and keep it from coming back`,
    );
  }

  counters(): Counters {
    const body = attempt('counters', this.policy.name, () =>
      this.#netgraph.ask(`${this.#graph.ppp}:`, GET_STATS, THE_LINK),
    );
    const { xmitFrames, xmitOctets, recvFrames, recvOctets } = S.ng_ppp_link_stat64;
    return {
      octetsIn: u64At(body, recvOctets),
      octetsOut: u64At(body, xmitOctets),
      packetsIn: u64At(body, recvFrames),
      packetsOut: u64At(body, xmitFrames),
    };
  }

  /** Once a second: read missed changes, and retry failed steps. */
  tick(): void {
    const { events, log } = this.#shared;
    const { name } = this.policy;
    this.#readEvents();
    if (this.#adopted && !this.#arming.isAlive()) this.#closed();
    if (!this.#gateOpen) this.#joinGate();
    if (this.#bpf === undefined) anyway(() => this.#findLine(), log);
    const drops = this.#bpf?.drops() ?? 0;
    if (drops > 0) events.dropped(name, drops);
  }

  #readLine(bpf: Bpf): void {
    const { events } = this.#shared;
    const { name, mac } = this.policy;
    // Deliver session packets before discovery frames: the AC sends a Terminate-Request, then a PADT.
    this.#readData();
    const take = (frame: Uint8Array): void => {
      if (etherType(frame) === DISCOVERY) {
        events.discoveryFrame(name, frame.subarray(6, 12), frame.subarray(ETHERNET_HEADER));
      } else if (etherType(frame) === ETHERTYPE_ANNOUNCE) {
        const announced = decodeAnnounce(frame, mac);
        if (announced !== undefined) events.ownMacHeard(name, announced);
      } else if (etherType(frame) === ETHERTYPE_SESSION) this.#early.add(frame);
    };
    if (refuses('ENXIO', () => bpf.read(take))) this.#lineGone(bpf);
  }

  #readData(): void {
    for (let i = 0; i < BATCH; i++) {
      const data = this.#netgraph.readData();
      if (data === undefined) return;
      const { hook, octets } = data;
      if (hook !== BYPASS || octets.length < BYPASS_HEADER || !this.#gateOpen) continue;
      const protocol = ((octets[2] ?? 0) << 8) | (octets[3] ?? 0);
      if (DATA_PROTOCOLS.includes(protocol)) continue;
      this.#shared.events.pppFrame(this.policy.name, protocol, octets.subarray(BYPASS_HEADER));
    }
  }

  #readEvents(): void {
    this.#netgraph.drain((event) => {
      if (this.#isOurClose(event)) this.#closed();
    });
  }

  /** A hook's name is used once, so that the end of an earlier session cannot be taken for this one's. */
  #isOurClose({ cookie, command, body }: Message): boolean {
    if (cookie !== C.NGM_PPPOE_COOKIE || command !== C.NGM_PPPOE_CLOSE) return false;
    return textAt(body, S.ngpppoe_sts.hook, S.ngpppoe_sts.size) === this.#arming.hook;
  }

  /** Another program removed the session from the kernel. */
  #closed(): void {
    const { log, events } = this.#shared;
    const { name } = this.policy;
    this.#arming.lost();
    this.#adopted = false;
    anyway(() => this.gate(false), log);
    events.sessionClosed(name);
  }

  /** Leave everything as it is. Close only the two sockets and the descriptor, which end with the process anyway. */
  leave(): void {
    const { loop } = this.#shared;
    const sockets = [this.#netgraph.data, this.#netgraph.control];
    for (const fd of this.#bpf === undefined ? sockets : [this.#bpf.fd, ...sockets])
      loop.unwatch(fd);
    this.#bpf?.close();
    this.#netgraph.close();
  }

  /** Remove everything of the session. The routes first: those via the partner do not go with the addresses. */
  remove(): void {
    this.#gateOpen = false;
    anyway(() => this.route('none'), this.#shared.log);
    anyway(() => this.deconfigure(), this.#shared.log);
    attempt('remove', this.policy.name, () => this.#graph.takeDown());
  }
}

const etherType = (frame: Uint8Array): number => ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
