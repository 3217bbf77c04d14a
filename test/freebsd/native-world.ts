/**
 * The contract's world on a real FreeBSD kernel, made with a `Libc` and nothing else: two epairs, one the session's line
 * with a BPF descriptor at its other end, one the LAN with a vhid whose state we set. It makes no jail.
 */
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import type { Libc } from '@ppp-thing/helper/libc';
import { createLoop, type MainLoop } from '@ppp-thing/helper/loop';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import type { World } from '../backend-contract.ts';
import { at, c } from './fake/abi.ts';
import { cstring, field, set16, set32, u16, u32 } from './fake/octets.ts';
import { HELPER } from './world.ts';

const VHID = 61;
/** Three of these pass before a BACKUP that hears nobody becomes MASTER: longer than any test. */
const LONGEST_ADVBASE = 255;
const STATES = { BACKUP: 1, MASTER: 2 } as const;
const OWN = Uint8Array.of(192, 0, 2, 8);
const PARTNER = Uint8Array.of(192, 0, 2, 9);
const VIRTUAL = Uint8Array.of(192, 0, 2, 1);
const BUFFER = 32 * 1024;
const POLLIN = 1;
/** BPF_D_IN. */
const DIRECTION_IN = 0;

/** ioctls on interfaces, as ifconfig(8) makes them. */
class Ifconfig {
  readonly #libc: Libc;
  readonly #fd: number;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#fd = libc.socket(c('AF_INET'), c('SOCK_DGRAM'), 0);
  }

  close(): void {
    this.#libc.close(this.#fd);
  }

  #ifreq(name: string): Uint8Array {
    const request = new Uint8Array(at('ifreq', 'size'));
    request.set(field(name, 16));
    return request;
  }

  /** A pair; the name of its first end. The other's ends in `b`. */
  createEpair(): string {
    const request = this.#ifreq('epair');
    this.#libc.ioctl(this.#fd, c('SIOCIFCREATE2'), request);
    const name = cstring(request, 0, 16);
    for (const end of [name, other(name)]) this.up(end);
    return name;
  }

  destroy(name: string): void {
    this.#libc.ioctl(this.#fd, c('SIOCIFDESTROY'), this.#ifreq(name));
  }

  up(name: string): void {
    const request = this.#ifreq(name);
    this.#libc.ioctl(this.#fd, c('SIOCGIFFLAGS'), request);
    set16(request, 16, u16(request, 16) | c('IFF_UP'));
    this.#libc.ioctl(this.#fd, c('SIOCSIFFLAGS'), request);
  }

  address(name: string, address: Uint8Array, prefix: number, vhid = 0): void {
    const request = new Uint8Array(at('in_aliasreq', 'size'));
    request.set(field(name, 16));
    const mask = (0xffffffff << (32 - prefix)) >>> 0;
    const maskOctets = new Uint8Array(4);
    new DataView(maskOctets.buffer).setUint32(0, mask);
    const last = address.map((octet, i) => octet | (~(maskOctets[i] ?? 0) & 0xff));
    const put = (where: string, value: Uint8Array): void =>
      request.set(
        [at('sockaddr_in', 'size'), c('AF_INET'), 0, 0, ...value],
        at('in_aliasreq', where),
      );
    put('ifra_addr', address);
    put('ifra_broadaddr', last);
    put('ifra_mask', maskOctets);
    set32(request, at('in_aliasreq', 'size') - 4, vhid);
    this.#libc.ioctl(this.#fd, c('SIOCAIFADDR'), request);
  }

  /** Make a vhid, or give it a state. */
  vhid(name: string, state: keyof typeof STATES | 'as it is'): void {
    const table = new Uint8Array(at('carpreq', 'size'));
    set32(table, at('carpreq', 'carpr_count'), 1);
    set32(table, at('carpreq', 'carpr_vhid'), VHID);
    if (state !== 'as it is') {
      const pointers = [{ at: 16, to: table }];
      this.#libc.ioctl(this.#fd, c('SIOCGVH'), this.#ifreq(name), pointers);
      set32(table, at('carpreq', 'carpr_state'), STATES[state]);
    }
    set32(table, at('carpreq', 'carpr_state') + 8, LONGEST_ADVBASE);
    this.#libc.ioctl(this.#fd, c('SIOCSVH'), this.#ifreq(name), [{ at: 16, to: table }]);
  }
}

const other = (epair: string): string => `${epair.slice(0, -1)}b`;

/** The other end of the line: hears what the router sends, and speaks as other stations do. */
class Observer {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #loop: MainLoop;

  constructor(libc: Libc, loop: MainLoop, name: string, hear: (frame: Uint8Array) => void) {
    this.#libc = libc;
    this.#loop = loop;
    this.fd = libc.open('/dev/bpf', c('O_RDWR') | c('O_NONBLOCK'));
    const int = (value: number): Uint8Array => {
      const octets = new Uint8Array(4);
      set32(octets, 0, value);
      return octets;
    };
    const request = new Uint8Array(at('ifreq', 'size'));
    request.set(field(name, 16));
    libc.ioctl(this.fd, c('BIOCSBLEN'), int(BUFFER));
    libc.ioctl(this.fd, c('BIOCSETIF'), request);
    libc.ioctl(this.fd, c('BIOCSHDRCMPLT'), int(1));
    libc.ioctl(this.fd, c('BIOCIMMEDIATE'), int(1));
    libc.ioctl(this.fd, c('BIOCSDIRECTION'), int(DIRECTION_IN));
    libc.ioctl(this.fd, c('BIOCPROMISC'), new Uint8Array(0));
    loop.watch(this.fd, POLLIN, () => this.#read(hear));
  }

  #read(hear: (frame: Uint8Array) => void): void {
    const into = new Uint8Array(BUFFER);
    const length = this.#libc.read(this.fd, into);
    for (let i = 0; i < length;) {
      const captured = u32(into, i + at('bpf_hdr', 'bh_caplen'));
      const header = u16(into, i + at('bpf_hdr', 'bh_hdrlen'));
      hear(into.slice(i + header, i + header + captured));
      i += Math.ceil((header + captured) / 8) * 8;
    }
  }

  send(frame: Uint8Array): void {
    this.#libc.write(this.fd, frame);
  }

  close(): void {
    this.#loop.unwatch(this.fd);
    this.#libc.close(this.fd);
  }
}

/** What was made is destroyed by `close`, and by a world that could not be made. */
export async function nativeWorld(libc: Libc): Promise<World> {
  const undo: (() => void)[] = [];
  const undoAll = (): void => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) step();
  };
  try {
    const ifconfig = new Ifconfig(libc);
    undo.push(() => ifconfig.close());
    const make = (): string => {
      const name = ifconfig.createEpair();
      undo.push(() => ifconfig.destroy(name));
      return name;
    };
    const line = make();
    const lan = make();
    ifconfig.address(lan, OWN, 24);
    ifconfig.vhid(lan, 'as it is');
    ifconfig.address(lan, VIRTUAL, 32, VHID);
    ifconfig.vhid(lan, 'BACKUP');
    const loop = createLoop(
      libc,
      () => performance.now(),
      () => {},
    );
    undo.push(() => loop.close());
    const heard: Uint8Array[] = [];
    const observer = new Observer(libc, loop, other(line), (frame) => heard.push(frame));
    undo.push(() => observer.close());
    const policy: SessionPolicy = {
      name: 'pptest0',
      interface: line,
      mac: Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 1),
      policy: 'follow-carp',
      carp: { interface: lan, vhid: VHID },
      localAddress: OWN,
      partnerAddress: PARTNER,
      stub: 'pptest0x',
      mtu: 1492,
      defaultRoute: true,
      fib: 0,
      demotion: 240,
    };
    const helper = { ...HELPER, sessions: [policy] };
    return {
      loop,
      policy,
      heard,
      makeBackend: (events) =>
        new FreebsdBackend({ libc, loop, policy: helper, events, log: () => {} }),
      inject: (frame) => observer.send(frame),
      setRole: (role) => ifconfig.vhid(lan, role),
      setCarrier() {},
      close: undoAll,
    };
  } catch (error) {
    undoAll();
    throw error;
  }
}
