/**
 * Network interfaces of the fake kernel: Ethernet ones on a line, ng ones on a node; their flags, names and addresses, by
 * ioctl. Routes and CARP are elsewhere.
 */
import { toHex, sameOctets } from '@ppp-thing/protocol/bytes';
import { Errno, at, c, fail } from './abi.ts';
import { be16, cstring, field, set16, set32, u16, u32 } from './octets.ts';

const NAME = 16;
const PPROMISC = c('IFF_PPROMISC');
const UP = c('IFF_UP');
const RUNNING = c('IFF_RUNNING');
/** What the administrator may change of the lower flags. */
const SETTABLE = UP | PPROMISC;
/** IFF_KNOWSEPOCH, which every Ethernet driver of the recorded kernel sets. */
const KNOWS_EPOCH = 0x20;
const SMALLEST_MTU = 72;
const LARGEST_MTU = 65535;

export interface Address {
  readonly address: Uint8Array;
  /** The other end; undefined on an Ethernet. */
  destination?: Uint8Array | undefined;
  readonly mask: Uint8Array;
}

/** Who looks at the frames of an interface. */
export interface Tap {
  frame(frame: Uint8Array, direction: 'in' | 'out'): void;
  readonly isPromiscuous: boolean;
}

export class NetInterface {
  name: string;
  readonly index: number;
  readonly kind: 'ether' | 'ng';
  readonly mac: Uint8Array;
  readonly #send: (octets: Uint8Array, family: 4 | 6) => void;
  readonly taps = new Set<Tap>();
  isUp: boolean;
  isConnected = true;
  mtu = 1500;
  /** NGM_ETHER_SET_PROMISC and IFF_PPROMISC: two owners of the same state. */
  setPromisc = false;
  pPromisc = false;
  addresses: Address[] = [];
  addresses6: Uint8Array[] = [];
  /** By address in hexadecimal; seconds, as last set: this kernel counts none down. */
  readonly lifetimes6 = new Map<string, { readonly preferred: number; readonly valid: number }>();
  /** The frame's way into netgraph, or the packet's into the router. */
  unclaimed: (octets: Uint8Array) => void = () => {};

  constructor(options: {
    readonly name: string;
    readonly index: number;
    readonly kind: 'ether' | 'ng';
    readonly mac: Uint8Array;
    readonly send: (octets: Uint8Array, family: 4 | 6) => void;
  }) {
    this.name = options.name;
    this.index = options.index;
    this.kind = options.kind;
    this.mac = options.mac;
    this.#send = options.send;
    this.isUp = options.kind === 'ether';
  }

  /** Addresses of IPv6: those that are preferred for longest come first, then those that are valid for longest. */
  get best6(): readonly Uint8Array[] {
    return this.addresses6
      .map((address) => ({ address, ...this.lifetimes6.get(toHex(address)) }))
      .sort((a, b) => (b.preferred ?? 0) - (a.preferred ?? 0) || (b.valid ?? 0) - (a.valid ?? 0))
      .map(({ address }) => address);
  }

  get isPromiscuous(): boolean {
    return this.setPromisc || this.pPromisc || [...this.taps].some((tap) => tap.isPromiscuous);
  }

  get flags(): number {
    const kind =
      this.kind === 'ether'
        ? c('IFF_BROADCAST') | KNOWS_EPOCH | RUNNING
        : c('IFF_POINTOPOINT') | (this.isUp ? RUNNING : 0);
    return (
      kind |
      c('IFF_SIMPLEX') |
      c('IFF_MULTICAST') |
      (this.isUp ? UP : 0) |
      (this.isPromiscuous ? c('IFF_PROMISC') : 0) |
      (this.pPromisc ? PPROMISC : 0)
    );
  }

  /** A frame that this machine sends. */
  transmit(frame: Uint8Array): void {
    if (!this.isUp) fail('ENETDOWN');
    for (const tap of this.taps) tap.frame(frame, 'out');
    if (this.isConnected) this.#send(frame, 4);
  }

  /** A packet that the router sends out of an ng interface. */
  output(packet: Uint8Array, family: 4 | 6): void {
    if (!this.isUp) fail('ENETDOWN');
    this.#send(packet, family);
  }

  /** Packets that came out of netgraph. */
  readonly received: Uint8Array[] = [];

  input(packet: Uint8Array): void {
    this.received.push(packet.slice());
    this.unclaimed(packet);
  }

  /** A frame on the line. To another MAC it gets in only if somebody made the interface promiscuous. */
  receive(frame: Uint8Array): void {
    if (!this.isUp || !this.isConnected) return;
    const isForeign = ((frame[0] ?? 0) & 1) === 0 && !sameOctets(frame.subarray(0, 6), this.mac);
    if (isForeign && !this.isPromiscuous) return;
    for (const tap of this.taps) tap.frame(frame, 'in');
    const isIp = [0x0800, 0x0806, 0x86dd].includes(be16(frame, 12));
    if (isIp || (isForeign && !this.pPromisc)) return;
    try {
      this.unclaimed(frame);
    } catch (error) {
      // Nobody hears what becomes of a frame that came in.
      if (!(error instanceof Errno)) throw error;
    }
  }
}

export class Interfaces {
  readonly #all: NetInterface[] = [];
  nextIndex = 1;
  /** net.inet.ip.no_same_prefix: two interfaces may not lead to the same address. */
  noSamePrefix = false;
  /** After any change of flags, addresses or a link. */
  changed: (what: 'address' | 'link', line: NetInterface) => void = () => {};

  all(): readonly NetInterface[] {
    return this.#all;
  }

  get(name: string): NetInterface {
    return this.#all.find((each) => each.name === name) ?? fail('ENXIO');
  }

  makeEther(name: string, mac: Uint8Array, send: (frame: Uint8Array) => void): NetInterface {
    return this.#add({ name, index: this.nextIndex++, kind: 'ether', mac, send });
  }

  makeNg(send: (packet: Uint8Array, family: 4 | 6) => void): NetInterface {
    const units = new Set(this.#all.map((each) => this.#units.get(each)));
    let unit = 0;
    while (units.has(unit)) unit++;
    const mac = new Uint8Array(6);
    const line = this.#add({ name: `ng${unit}`, index: this.nextIndex++, kind: 'ng', mac, send });
    this.#units.set(line, unit);
    return line;
  }

  /** An ng interface keeps its unit whatever its name. */
  readonly #units = new Map<NetInterface, number>();

  #add(options: ConstructorParameters<typeof NetInterface>[0]): NetInterface {
    const line = new NetInterface(options);
    this.#all.push(line);
    return line;
  }

  /** Two Ethernet interfaces, each the other's line. */
  makeEpair(): NetInterface {
    let unit = 0;
    while (this.#all.some(({ name }) => name === `epair${unit}a`)) unit++;
    const ends: NetInterface[] = [];
    for (const [i, letter] of ['a', 'b'].entries()) {
      const mac = Uint8Array.of(2, 0xff, 0x60, unit, 0, i);
      const line = this.makeEther(`epair${unit}${letter}`, mac, (frame) =>
        ends[1 - i]?.receive(frame),
      );
      line.isUp = false;
      ends.push(line);
      this.arrived(line);
    }
    return ends[0] ?? fail('ENXIO');
  }

  /** A new Ethernet interface, for whoever has something to add to it. */
  arrived: (line: NetInterface) => void = () => {};
  departed: (line: NetInterface) => void = () => {};

  destroyEpair(line: NetInterface): void {
    if (!/^epair\d+[ab]$/.test(line.name)) fail('EINVAL');
    const stem = line.name.slice(0, -1);
    for (const each of this.#all.filter(({ name }) => name.slice(0, -1) === stem)) {
      this.departed(each);
      this.destroy(each);
    }
  }

  destroy(line: NetInterface): void {
    line.addresses = [];
    this.#all.splice(this.#all.indexOf(line), 1);
    this.#units.delete(line);
    this.changed('address', line);
  }

  /** Undefined for a request that is none of an interface's. */
  ioctl(request: number, argument: Uint8Array, pointed: Uint8Array | undefined): true | undefined {
    if (request === c('SIOCIFCREATE2')) {
      if (cstring(argument, 0, NAME) !== 'epair') fail('EINVAL');
      argument.set(field(this.makeEpair().name, NAME));
      return true;
    }
    const handler = HANDLERS[request];
    if (handler === undefined) return undefined;
    const line = this.get(cstring(argument, 0, NAME));
    handler({ interfaces: this, line, argument, value: argument.subarray(16), pointed });
    return true;
  }

  /** The interface that leads straight to an IPv4 address. */
  leadsTo(address: Uint8Array): NetInterface | undefined {
    return this.#all.find(
      (line) =>
        line.isUp &&
        line.addresses.some(({ destination, address: own, mask }) =>
          destination === undefined
            ? mask.every((bits, i) => ((own[i] ?? 0) & bits) === ((address[i] ?? 0) & bits))
            : sameOctets(destination, address),
        ),
    );
  }
}

interface Call {
  readonly interfaces: Interfaces;
  readonly line: NetInterface;
  readonly argument: Uint8Array;
  /** What is after the name. */
  readonly value: Uint8Array;
  readonly pointed: Uint8Array | undefined;
}

const addressAt = (octets: Uint8Array, offset: number): Uint8Array => {
  const start = offset + at('sockaddr_in', 'sin_addr');
  return octets.slice(start, start + 4);
};

function putAddress(value: Uint8Array, address: Uint8Array): void {
  value.fill(0, 0, 16);
  value.set([at('sockaddr_in', 'size'), c('AF_INET')]);
  value.set(address, at('sockaddr_in', 'sin_addr'));
}

function checkFamily(octets: Uint8Array, offset: number, family: 'AF_INET' | 'AF_INET6'): void {
  const size = at(family === 'AF_INET' ? 'sockaddr_in' : 'sockaddr_in6', 'size');
  if (octets[offset] !== size || octets[offset + 1] !== c(family)) fail('EINVAL');
}

const HANDLERS: Readonly<Record<number, (call: Call) => void>> = {
  [c('SIOCGIFFLAGS')]: ({ line, value }) => {
    set16(value, 0, line.flags & 0xffff);
    set16(value, 2, line.flags >>> 16);
  },
  [c('SIOCSIFFLAGS')]: ({ interfaces, line, value }) => {
    const flags = ((u16(value, 0) | (u16(value, 2) << 16)) & SETTABLE) >>> 0;
    line.isUp = (flags & UP) !== 0;
    line.pPromisc = (flags & PPROMISC) !== 0;
    interfaces.changed('link', line);
  },
  [c('SIOCIFDESTROY')]: ({ interfaces, line }) => interfaces.destroyEpair(line),
  [c('SIOCGIFINDEX')]: ({ line, value }) => set16(value, 0, line.index),
  [c('SIOCSIFNAME')]: ({ interfaces, line, pointed }) => {
    const name = pointed ?? fail('EFAULT');
    const end = name.indexOf(0);
    if (end === -1 || end > NAME - 1) fail('ENAMETOOLONG');
    if (end === 0) fail('EINVAL');
    const wanted = cstring(name, 0, NAME);
    if (interfaces.all().some((each) => each.name === wanted)) fail('EEXIST');
    line.name = wanted;
  },
  [c('SIOCSIFMTU')]: ({ line, value }) => {
    const mtu = u32(value, 0);
    if (mtu < SMALLEST_MTU || mtu > LARGEST_MTU) fail('EINVAL');
    line.mtu = mtu;
  },
  [c('SIOCGIFADDR')]: ({ line, value }) => {
    const [first] = line.addresses;
    putAddress(value, first?.address ?? fail('EADDRNOTAVAIL'));
  },
  [c('SIOCGIFDSTADDR')]: ({ line, value }) => {
    if (line.kind === 'ether') fail('EINVAL');
    const [first] = line.addresses;
    putAddress(value, first?.destination ?? fail('EADDRNOTAVAIL'));
  },
  [c('SIOCAIFADDR')]: ({ interfaces, line, argument }) => {
    const offset = (name: string): number => at('in_aliasreq', name);
    for (const name of ['ifra_addr', 'ifra_broadaddr', 'ifra_mask'])
      checkFamily(argument, offset(name), 'AF_INET');
    const address = addressAt(argument, offset('ifra_addr'));
    const destination = addressAt(argument, offset('ifra_broadaddr'));
    if (line.kind === 'ether') {
      const mask = addressAt(argument, offset('ifra_mask'));
      line.addresses.push({ address, mask });
      return;
    }
    const holder = interfaces.leadsTo(destination);
    const isOwn = holder?.addresses.some((each) => each.destination === undefined) ?? false;
    const isOthers = holder !== undefined && holder !== line && !isOwn;
    if (isOthers && interfaces.noSamePrefix) fail('EEXIST');
    line.addresses = line.addresses.filter((each) => !sameOctets(each.address, address));
    line.addresses.push({
      address,
      destination,
      mask: addressAt(argument, offset('ifra_mask')),
    });
    // ng_iface comes up by itself.
    line.isUp = true;
    interfaces.changed('address', line);
  },
  [c('SIOCDIFADDR')]: ({ interfaces, line, value }) => {
    const wanted = value[1] === 0 ? line.addresses[0]?.address : addressAt(value, 0);
    const rest = line.addresses.filter(({ address }) => !sameOctets(address, wanted ?? address));
    if (wanted === undefined || rest.length === line.addresses.length) fail('EADDRNOTAVAIL');
    line.addresses = rest;
    interfaces.changed('address', line);
  },
  [c('SIOCAIFADDR_IN6')]: ({ line, argument }) => {
    const offset = at('in6_aliasreq', 'ifra_addr');
    checkFamily(argument, offset, 'AF_INET6');
    checkFamily(argument, at('in6_aliasreq', 'ifra_prefixmask'), 'AF_INET6');
    const lifetime = (name: string): number =>
      u32(argument, at('in6_aliasreq', `ifra_lifetime.${name}`));
    const [valid, preferred] = [lifetime('ia6t_vltime'), lifetime('ia6t_pltime')];
    if (valid === 0 || preferred > valid) fail('EINVAL');
    const address = argument.slice(offset + 8, offset + 24);
    if (!line.addresses6.some((each) => sameOctets(each, address))) line.addresses6.push(address);
    line.lifetimes6.set(toHex(address), { preferred, valid });
    line.isUp = true;
  },
  [c('SIOCDIFADDR_IN6')]: ({ line, argument }) => {
    const offset = at('in6_ifreq', 'ifr_ifru.ifru_addr');
    checkFamily(argument, offset, 'AF_INET6');
    const address = argument.slice(offset + 8, offset + 24);
    const rest = line.addresses6.filter((each) => !sameOctets(each, address));
    if (rest.length === line.addresses6.length) fail('EADDRNOTAVAIL');
    line.addresses6 = rest;
    line.lifetimes6.delete(toHex(address));
  },
  [c('SIOCGIFMEDIA')]: ({ line, argument }) => {
    if (line.kind !== 'ether') fail('EINVAL');
    set32(argument, at('ifmediareq', 'ifm_status'), line.isConnected ? 3 : 1);
  },
};
