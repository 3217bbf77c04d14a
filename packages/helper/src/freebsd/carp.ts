/**
 * CARP: a vhid's role in the kernel, and the edges that devd(8) reports. `../interlock.ts` decides what the role means for
 * a gate.
 *
 * An edge is only a reason to read the level. Routing messages are not even an edge: an interface that comes up as BACKUP
 * is announced with the same RTM_NEWADDR as a MASTER, and that may come before or after devd's line.
 */
import { networkInterfaces } from 'node:os';
import { BackendError } from '../errors.ts';
import type { Role } from '../backend.ts';
import { SystemError, type Libc } from '../libc.ts';
import type { Loop } from '../loop.ts';
import type { SessionPolicy } from '../policy.ts';
import { POLLIN } from '../unix.ts';
import { C, S, SEEN } from './abi.ts';
import { attempt, unless } from './errors.ts';
import type { Interfaces } from './interface.ts';
import { putU32, textAt, textOctets, u32At } from './octets.ts';

const DEVD_PIPE = '/var/run/devd.seqpacket.pipe';
/** A router has few vhids on one interface. */
const MOST_VHIDS = 32;
const EVENT_ROOM = 1024;
const EVENTS = 64;
/** There is no such vhid, or several and none is named. */
const NO_VHID = ['ENOENT', 'ENXIO', 'EPROTONOSUPPORT', 'EINVAL', 'EOPNOTSUPP'];
/** devd does not run, or is busy with others. */
const NOBODY = ['ECONNREFUSED', 'ENOENT', 'EACCES', 'EAGAIN', 'ECONNRESET'];

/** Which vhid of which interface; without a number, the only one there. */
export interface Vhid {
  readonly interface: string;
  readonly vhid?: number;
}

export const vhidName = ({ interface: name, vhid }: Vhid): string => `${vhid ?? '*'}@${name}`;

/**
 * The policy's vhid. If the policy names only an address, as the original's file does, the vhid is on the interface that
 * has this address, whatever its role. Throws BackendError: ENXIO, no interface has it now.
 */
export function vhidOf({
  interface: named,
  vhid,
  address,
}: NonNullable<SessionPolicy['carp']>): Vhid {
  const wanted = address?.join('.') ?? '';
  const holds = (each: { readonly address: string }): boolean => each.address === wanted;
  const found =
    named ?? Object.entries(networkInterfaces()).find(([, all]) => all?.some(holds))?.[0];
  if (found === undefined)
    throw new BackendError(
      'find carp_address',
      wanted,
      'ENXIO',
      'no interface has it; see ifconfig',
    );
  return { interface: found, ...(vhid === undefined ? {} : { vhid }) };
}

/**
 * Without a vhid to watch this router is the only one.
 *
 * @param how  'strict', at the start: a missing vhid is an error. Otherwise it counts as INIT, which closes the gate
 */
export function roleOf(interfaces: Interfaces, vhid: Vhid | undefined, how?: 'strict'): Role {
  if (vhid === undefined) return 'MASTER';
  const read = (): Role => readRole(interfaces, vhid);
  if (how === undefined) return unless(NO_VHID, read) ?? 'INIT';
  return attempt('read vhid', vhidName(vhid), read, {
    ENOENT: 'there is no such vhid on this interface; see ifconfig',
    ENXIO: 'there is no such interface',
    EPROTONOSUPPORT: 'the module carp is not loaded; run kldload carp',
  });
}

/** ENOENT: there is no such vhid; EINVAL: several, and the policy does not say which. */
const readRole = (interfaces: Interfaces, which: Vhid): Role =>
  SEEN.carpStates[u32At(readVhid(interfaces, which), S.carpreq.carpr_state)] ?? 'INIT';

/**
 * Make this router MASTER of a vhid that is BACKUP: it advertises at once, and steps down when it hears a MASTER that
 * advertises more often. Writes the vhid's other settings back unchanged; without a key the kernel keeps its own.
 */
export function claimRole(interfaces: Interfaces, which: Vhid): void {
  const { size, carpr_vhid, carpr_state, carpr_advskew, carpr_advbase } = S.carpreq;
  const found = readVhid(interfaces, which);
  if (SEEN.carpStates[u32At(found, carpr_state)] !== 'BACKUP') return;
  const wanted = new Uint8Array(size);
  for (const field of [carpr_vhid, carpr_advskew, carpr_advbase])
    putU32(wanted, field, u32At(found, field));
  putU32(wanted, carpr_state, SEEN.carpStates.indexOf('MASTER'));
  interfaces.withData(C.SIOCSVH, which.interface, wanted);
}

function readVhid(interfaces: Interfaces, which: Vhid): Uint8Array {
  const { size, carpr_count, carpr_vhid } = S.carpreq;
  const table = new Uint8Array(MOST_VHIDS * size);
  putU32(table, carpr_count, MOST_VHIDS);
  putU32(table, carpr_vhid, which.vhid ?? 0);
  interfaces.withData(C.SIOCGVH, which.interface, table);
  if (which.vhid === undefined && u32At(table, carpr_count) > 1)
    throw new BackendError(
      'read vhid of',
      which.interface,
      'EINVAL',
      'it has several; name one with carp_vhid',
    );
  return table;
}

/** devd's lines about CARP. devd may not run, or be restarted: `listen` may be called again at any time. */
export class Devd {
  readonly #libc: Libc;
  readonly #loop: Loop;
  readonly #heard: (interfaceName: string) => void;
  #fd: number | undefined;

  /** @param heard  called for an event of a vhid on this interface, in any jail with an interface of that name */
  constructor(libc: Libc, loop: Loop, heard: (interfaceName: string) => void) {
    this.#libc = libc;
    this.#loop = loop;
    this.#heard = heard;
  }

  /** Connect if not connected. Returns whether devd runs. */
  listen(): boolean {
    if (this.#fd !== undefined) return true;
    const fd = this.#libc.socket(C.AF_UNIX, C.SOCK_SEQPACKET | C.SOCK_CLOEXEC | C.SOCK_NONBLOCK, 0);
    try {
      this.#libc.connect(fd, devdAddress());
    } catch (error) {
      this.#libc.close(fd);
      if (error instanceof SystemError && NOBODY.includes(error.code)) return false;
      throw error;
    }
    this.#fd = fd;
    this.#loop.watch(fd, POLLIN, () => this.#read(fd));
    return true;
  }

  #read(fd: number): void {
    const line = new Uint8Array(EVENT_ROOM);
    for (let i = 0; i < EVENTS; i++) {
      const length = unless(['ECONNRESET'], () => this.#libc.read(fd, line)) ?? 0;
      if (length === -1) return;
      if (length === 0) return this.close();
      const event = textAt(line, 0, length);
      const subject = /^!system=CARP subsystem=\d+@(\S+) /.exec(event);
      if (subject?.[1] !== undefined) this.#heard(subject[1]);
    }
  }

  close(): void {
    if (this.#fd === undefined) return;
    this.#loop.unwatch(this.#fd);
    this.#libc.close(this.#fd);
    this.#fd = undefined;
  }
}

/** sockaddr_un: length, family, path with its NUL. */
function devdAddress(): Uint8Array {
  const path = textOctets(DEVD_PIPE);
  const { sun_len, sun_family, sun_path } = S.sockaddr_un;
  const address = new Uint8Array(sun_path + path.length + 1);
  address[sun_len] = address.length;
  address[sun_family] = C.AF_UNIX;
  address.set(path, sun_path);
  return address;
}
