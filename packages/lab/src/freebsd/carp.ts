/**
 * CARP's vhids with their states, the demotion that everybody adds to, and devd's pipe. Who becomes MASTER is the test's
 * word.
 */
import { at, fail } from './abi.ts';
import type { NetInterface } from './interfaces.ts';
import { ascii, set32, u32 } from './octets.ts';
import type { Routes } from './routes.ts';

const STATES = ['INIT', 'BACKUP', 'MASTER'] as const;
type CarpState = (typeof STATES)[number];

interface Vhid {
  readonly line: NetInterface;
  readonly vhid: number;
  state: CarpState;
  advskew: number;
  /** 0 if it speaks VRRPv3 (FreeBSD 15): SIOCGVH does not fill in either number, and SIOCSVH is refused. */
  advbase: number;
}

/** A reader of devd's pipe. */
export class DevdClient {
  readonly queue: Uint8Array[] = [];
  isClosed = false;
  ready: () => void = () => {};
}

export class Carp {
  readonly #routes: Routes;
  readonly #vhids: Vhid[] = [];
  readonly clients = new Set<DevdClient>();
  demotion = 0;
  isDevdRunning = true;
  isLoaded = true;

  constructor(routes: Routes) {
    this.#routes = routes;
  }

  add(line: NetInterface, vhid: number, state: CarpState): void {
    this.#vhids.push({ line, vhid, state, advskew: 100, advbase: 1 });
  }

  /** As one that was made with `carpver 3`. */
  speakVrrp(vhid: number): void {
    const entry = this.#vhids.find((each) => each.vhid === vhid) ?? fail('ENOENT');
    entry.advskew = 0;
    entry.advbase = 0;
  }

  remove(vhid: number): void {
    const found = this.#vhids.findIndex((each) => each.vhid === vhid);
    this.#vhids.splice(found, 1);
  }

  /** What ifconfig(8) shows as advskew. */
  skewOf(vhid: number): number | undefined {
    return this.#vhids.find((each) => each.vhid === vhid)?.advskew;
  }

  /** An edge, with what the kernel tells of it; MASTER's line comes before the routing message and BACKUP's has none. */
  set(vhid: number, state: CarpState): void {
    const entry = this.#vhids.find((each) => each.vhid === vhid) ?? fail('ENOENT');
    if (entry.state === state) return;
    const from = entry.state;
    entry.state = state;
    this.#tellDevd(`!system=CARP subsystem=${vhid}@${entry.line.name} type=${state}\n`);
    if (state === 'MASTER') this.#routes.tellAddress('RTM_NEWADDR', entry.line);
    else if (from === 'INIT') this.#routes.tellAddress('RTM_NEWADDR', entry.line);
  }

  #tellDevd(line: string): void {
    if (!this.isDevdRunning) return;
    for (const client of this.clients) {
      client.queue.push(ascii(line));
      client.ready();
    }
  }

  /** devd ends, and its readers with it. */
  stopDevd(): void {
    this.isDevdRunning = false;
    for (const client of this.clients) {
      client.isClosed = true;
      client.ready();
    }
    this.clients.clear();
  }

  /** SIOCGVH: the vhids of an interface, or one of them. */
  read(line: NetInterface, table: Uint8Array): void {
    if (!this.isLoaded) fail('EPROTONOSUPPORT');
    const size = at('carpreq', 'size');
    const room = u32(table, at('carpreq', 'carpr_count'));
    const wanted = u32(table, at('carpreq', 'carpr_vhid'));
    const found = this.#vhids.filter(
      (each) => each.line === line && (wanted === 0 || each.vhid === wanted),
    );
    if (found.length === 0) fail('ENOENT');
    if (room < found.length || table.length < found.length * size) fail('EMSGSIZE');
    found.forEach(({ vhid, state, advskew, advbase }, i) => {
      set32(table, i * size + at('carpreq', 'carpr_count'), found.length);
      set32(table, i * size + at('carpreq', 'carpr_vhid'), vhid);
      set32(table, i * size + at('carpreq', 'carpr_state'), STATES.indexOf(state));
      set32(table, i * size + at('carpreq', 'carpr_advskew'), advskew);
      set32(table, i * size + at('carpreq', 'carpr_advbase'), advbase);
    });
  }

  /**
   * SIOCSVH: a new vhid begins as BACKUP here; a state that is asked for is taken. The skew is always set, the base unless
   * it is 0: whoever only wants another state must say again what is there.
   */
  write(line: NetInterface, table: Uint8Array): void {
    if (!this.isLoaded) fail('EPROTONOSUPPORT');
    const vhid = u32(table, at('carpreq', 'carpr_vhid'));
    if (vhid < 1 || vhid > 255) fail('EINVAL');
    const state = STATES[u32(table, at('carpreq', 'carpr_state'))] ?? fail('EINVAL');
    const present = this.#vhids.find((each) => each.line === line && each.vhid === vhid);
    const advskew = u32(table, at('carpreq', 'carpr_advskew'));
    const advbase = u32(table, at('carpreq', 'carpr_advbase'));
    if (advskew >= 255 || advbase > 255) fail('EINVAL');
    if (present?.advbase === 0) fail('EINVAL');
    if (present === undefined) this.add(line, vhid, 'BACKUP');
    else {
      present.advskew = advskew;
      present.advbase = advbase || present.advbase;
      this.set(vhid, state);
    }
  }

  forget(line: NetInterface): void {
    for (const { vhid } of this.#vhids.filter((each) => each.line === line)) this.remove(vhid);
  }
}
