/**
 * The contract's world on a real FreeBSD kernel, made with a `Libc` and nothing else: two epairs, one the session's line
 * with a BPF descriptor at its other end, one the LAN with a vhid whose state we set. It makes no jail.
 */
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import type { Libc } from '@ppp-thing/helper/libc';
import { createLoop } from '@ppp-thing/helper/loop';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import type { World } from '../backend-contract.ts';
import { at, c } from '@ppp-thing/lab/freebsd/abi';
import { cstring, field, set16, set32, u16 } from '@ppp-thing/lab/freebsd/octets';
import { BpfPort } from './native/bpf-port.ts';
import { HELPER } from './world.ts';

const VHID = 61;
/** Three of these pass before a BACKUP that hears nobody becomes MASTER: longer than any test. */
const LONGEST_ADVBASE = 255;
const STATES = { BACKUP: 1, MASTER: 2 } as const;
const OWN = Uint8Array.of(192, 0, 2, 8);
const PARTNER = Uint8Array.of(192, 0, 2, 9);
const VIRTUAL = Uint8Array.of(192, 0, 2, 1);

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
    // The other end of the line: hears what the router sends, and speaks as other stations do.
    const observer = new BpfPort(libc, loop, other(line), (frame) => heard.push(frame));
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
