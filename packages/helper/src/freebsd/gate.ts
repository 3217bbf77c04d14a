/**
 * The gate of one session: the hook `wire` of its EtherType filter, and the node behind it that looks at the destination
 * MAC. It knows no session and no role.
 *
 * Without a filter the hook is closed both ways. One message opens it: setting the filter. One message closes it: removing
 * the hook, and the filter with it. The gate joins the hook again later, under another name, because the other end of a
 * removed hook goes a moment after it.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { C, S } from './abi.ts';
import { refuses, settle, unless } from './errors.ts';
import { names, type NetgraphSocket } from './netgraph.ts';
import { putU16, textOctets } from './octets.ts';
import {
  GET_PROGRAM,
  SESSION,
  SET_PROGRAM,
  everything,
  hookProgram,
  lineProgram,
} from './programs.ts';

const SET_FILTER = { cookie: C.NGM_ETF_COOKIE, command: C.NGM_ETF_SET_FILTER };
const WIRE = 'wire';
const PROBE = 'probe';
const LINE = 'line';

/** Let frames of one EtherType pass between `hook` and downstream. EEXIST: some hook has this EtherType. */
export function setFilter(
  netgraph: NetgraphSocket,
  etf: string,
  hook: string,
  etherType: number,
): void {
  const { size, matchhook, ethertype } = S.ng_etffilter;
  const body = names(size, [matchhook, hook]);
  putU16(body, ethertype, etherType);
  netgraph.tell(`${etf}:`, SET_FILTER, body);
}

export class Gate {
  readonly #netgraph: NetgraphSocket;
  readonly #etf: string;
  readonly #bpf: string;
  readonly #mac: Uint8Array;
  /** The hook of the bpf node that `wire` is joined to, by its number; undefined if it is not. */
  #joined: number | undefined;
  #next = 1;

  constructor(netgraph: NetgraphSocket, etf: string, bpf: string, mac: Uint8Array) {
    this.#netgraph = netgraph;
    this.#etf = etf;
    this.#bpf = bpf;
    this.#mac = mac;
  }

  /** Make the bpf node between `wire` and a hub. The gate is closed. */
  build(hub: string, hubHook: string): void {
    this.#netgraph.makePeer(`${this.#etf}:`, 'bpf', WIRE, this.#take());
    this.#netgraph.name(`${this.#etf}:${WIRE}`, this.#bpf);
    this.connectLine(hub, hubHook);
  }

  /** Join the bpf node to a hub that it is not joined to. */
  connectLine(hub: string, hubHook: string): void {
    settle(['EEXIST'], () => this.#netgraph.connect(`${this.#bpf}:`, `${hub}:`, LINE, hubHook));
    this.#program();
  }

  /**
   * Adopt the nodes that an earlier helper left.
   *
   * @returns the gate's state; 'other mac' if the filter behind it is for another MAC than ours, or there is none
   */
  adopt(): 'open' | 'closed' | 'other mac' {
    const wire = this.#netgraph
      .links(`${this.#etf}:`)
      .find(({ ourHook, peer }) => ourHook === WIRE && peer.name === this.#bpf);
    this.#joined = wire && Number(wire.peerHook.slice(1));
    this.#next = (this.#joined ?? 0) + 1;
    const present = unless(['ENOENT'], () =>
      this.#netgraph.ask(`${this.#bpf}:`, GET_PROGRAM, textOctets(`${LINE}\0`)),
    );
    const instructions = lineProgram(this.#mac);
    const program = present?.subarray(-instructions.length) ?? new Uint8Array(0);
    if (!sameOctets(program, instructions)) return 'other mac';
    if (this.#joined === undefined) return 'closed';
    return this.#isOpen() ? 'open' : 'closed';
  }

  /**
   * Whether a filter is set: the kernel cannot be asked directly, but refuses a second hook with the same EtherType. If it
   * accepts the second hook, that hook goes with the probe, and no frame has passed it.
   */
  #isOpen(): boolean {
    const etf = `${this.#etf}:`;
    settle(['EEXIST'], () => this.#netgraph.connect('.:', etf, PROBE, PROBE));
    try {
      return refuses('EEXIST', () => setFilter(this.#netgraph, this.#etf, PROBE, SESSION));
    } finally {
      this.#netgraph.removeHook(etf, PROBE);
    }
  }

  /** One message. */
  open(): void {
    if (this.#joined === undefined) this.join();
    unless(['EEXIST'], () => setFilter(this.#netgraph, this.#etf, WIRE, SESSION));
  }

  /** One message. A gate that has gone is closed. */
  close(): void {
    unless(['ENOENT'], () => this.#netgraph.removeHook(`${this.#etf}:`, WIRE));
    this.#joined = undefined;
  }

  /** Join `wire` again, without its filter. Nothing to do if it is joined. */
  join(): void {
    if (this.#joined !== undefined) return;
    settle(['EEXIST', 'ENOENT'], () =>
      this.#netgraph.connect(`${this.#etf}:`, `${this.#bpf}:`, WIRE, this.#take()),
    );
    this.#program();
  }

  /** Frames from the line to our MAC go to `wire`, and frames from `wire` go to the line. */
  #program(): void {
    const hook = `u${this.#next - 1}`;
    const bpf = `${this.#bpf}:`;
    const line = hookProgram(LINE, hook, lineProgram(this.#mac));
    this.#netgraph.tell(bpf, SET_PROGRAM, line);
    this.#netgraph.tell(bpf, SET_PROGRAM, hookProgram(hook, LINE, everything()));
    this.#joined = this.#next - 1;
  }

  #take(): string {
    return `u${this.#next++}`;
  }
}
