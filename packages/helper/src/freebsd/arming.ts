/**
 * Arming: makes the kernel's PPPoE accept a session that exists at the AC. The kernel runs its own discovery on `local`,
 * where we answer in the AC's name with the session's SESSION_ID; none of it reaches the wire. The hook's name identifies
 * the session to the next helper, because the kernel does not.
 *
 * The octets of PPPoE here are constants of this exchange between the kernel and us; nothing an AC sends is read.
 */
import { sameOctets, toHex } from '@ppp-thing/protocol/bytes';
import { BackendError } from '../errors.ts';
import type { Key } from '../backend.ts';
import { C, S } from './abi.ts';
import { anyway, attempt, refuses, soon } from './errors.ts';
import { IDLE, LOCAL, type Graph } from './graph.ts';
import { names, type NetgraphSocket } from './netgraph.ts';
import { putU16, textAt, textOctets } from './octets.ts';
import { DISCOVERY } from './programs.ts';

const SETENADDR = { cookie: C.NGM_PPPOE_COOKIE, command: C.NGM_PPPOE_SETENADDR };
const CONNECT = { cookie: C.NGM_PPPOE_COOKIE, command: C.NGM_PPPOE_CONNECT };

const PADI = 0x09;
const PADO = 0x07;
const PADR = 0x19;
const PADS = 0x65;
/** Host-Uniq as ng_pppoe takes it (hexadecimal, lower case), and as it stands in the frames. */
const HOST_UNIQ = '0xdeadbeef|';
const HOST_UNIQ_TAG = Uint8Array.of(0x01, 0x03, 0, 4, 0xde, 0xad, 0xbe, 0xef);
/** The kernel requires at least 32 octets. */
const DISARMED_MRU = 1492;
const HEADER = 14;
const CODE = HEADER + 1;

/** `x1234-00005e005301-7`: SESSION_ID, AC MAC, and a number that no other hook of this session ever had. */
const hookName = ({ sessionId, acMac }: Key, serial: number): string =>
  `x${sessionId.toString(16).padStart(4, '0')}-${toHex(acMac)}-${serial}`;

/** The session in a hook's name; undefined if no session is on it. */
export function keyOf(hook: string): { readonly key: Key; readonly serial: number } | undefined {
  const [, sessionId, acMac, serial] = /^x([0-9a-f]{4})-([0-9a-f]{12})-(\d+)$/.exec(hook) ?? [];
  if (sessionId === undefined || acMac === undefined || serial === undefined) return undefined;
  const octets = Uint8Array.from(acMac.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return {
    key: { sessionId: Number.parseInt(sessionId, 16), acMac: octets },
    serial: Number(serial),
  };
}

export class Arming {
  readonly #netgraph: NetgraphSocket;
  readonly #graph: Graph;
  readonly #session: string;
  readonly #mac: Uint8Array;
  #hook: string | undefined;
  #serial = 0;

  constructor(netgraph: NetgraphSocket, graph: Graph, session: string, mac: Uint8Array) {
    this.#netgraph = netgraph;
    this.#graph = graph;
    this.#session = session;
    this.#mac = mac;
  }

  /** The hook of the armed session; undefined while there is none. */
  get hook(): string | undefined {
    return this.#hook;
  }

  get key(): Key | null {
    return this.#hook === undefined ? null : (keyOf(this.#hook)?.key ?? null);
  }

  /** Whether the kernel still has the session's hook. */
  isAlive(): boolean {
    return this.#graph.sessionHook() === this.#hook;
  }

  /** The kernel has closed the session by itself. */
  lost(): void {
    this.#hook = undefined;
  }

  /** Adopt a session that an earlier helper finished arming. Undo one that it did not finish. */
  adopt(): void {
    const hook = this.#graph.sessionHook();
    const named = hook === undefined ? undefined : keyOf(hook);
    this.#serial = named?.serial ?? 0;
    if (hook === IDLE) return;
    if (hook !== undefined && named !== undefined && this.#graph.isLinkEnabled()) {
      // An idle hook has lost its session. Connecting it would begin to arm it.
      if (refuses('EISCONN', () => this.#connect(hook, ''))) {
        this.#hook = hook;
        return;
      }
    }
    this.#hook = hook;
    this.disarm();
  }

  /**
   * Join the session. Nothing leaves on the wire.
   *
   * @param mru  the largest packet on it, octets after PPP's Protocol field
   */
  arm(key: Key, mru: number): void {
    this.disarm();
    const hook = hookName(key, ++this.#serial);
    attempt('attach', this.#session, () =>
      this.#graph.replaceSessionHook(this.#graph.sessionHook(), hook),
    );
    this.#hook = hook;
    try {
      attempt('attach', this.#session, () => this.#discover(hook, key));
      attempt('attach', this.#session, () => this.#graph.configureLink(true, mru));
    } catch (error) {
      anyway(() => this.disarm());
      throw error;
    }
  }

  /** Leave the session: the kernel's PADT goes to `local`, where we drop it. */
  disarm(): void {
    if (this.#hook === undefined) return;
    const hook = this.#hook;
    this.#hook = undefined;
    attempt('detach', this.#session, () => {
      this.#graph.configureLink(false, DISARMED_MRU);
      this.#graph.replaceSessionHook(hook, IDLE);
    });
  }

  #connect(hook: string, service: string): void {
    const { size, hook: at, data_len } = S.ngpppoe_init_data;
    const data = textOctets(service);
    const body = names(size + data.length, [at, hook]);
    putU16(body, data_len, data.length);
    body.set(data, S.ngpppoe_init_data.data);
    this.#netgraph.tell(`${this.#graph.pppoe}:`, CONNECT, body);
  }

  #discover(hook: string, { sessionId, acMac }: Key): void {
    // Behind a filter the kernel cannot learn our MAC address: it puts its present value into the session.
    this.#netgraph.tell(`${this.#graph.pppoe}:`, SETENADDR, this.#mac);
    this.#connect(hook, HOST_UNIQ);
    this.#await(PADI, new Uint8Array(6).fill(0xff));
    this.#answer(PADO, acMac, 0);
    this.#await(PADR, acMac);
    this.#answer(PADS, acMac, sessionId);
    const success = soon(() => this.#succeeded(hook));
    if (success === undefined) throw this.#silent('did not confirm the session');
  }

  /** Wait for the kernel's own discovery packet; any other packet on `local` is of an earlier session. */
  #await(code: number, destination: Uint8Array): void {
    const frame = soon(() => {
      for (let data = this.#netgraph.readData(); data; data = this.#netgraph.readData()) {
        const { hook, octets } = data;
        if (hook !== LOCAL || octets[CODE] !== code) continue;
        if (sameOctets(octets.subarray(0, 6), destination)) return octets;
      }
      return undefined;
    });
    if (frame === undefined) throw this.#silent(`sent no discovery code 0x${code.toString(16)}`);
  }

  #answer(code: number, acMac: Uint8Array, sessionId: number): void {
    const frame = new Uint8Array(HEADER + 6 + HOST_UNIQ_TAG.length);
    frame.set(this.#mac, 0);
    frame.set(acMac, 6);
    const view = new DataView(frame.buffer);
    view.setUint16(12, DISCOVERY);
    view.setUint16(HEADER, 0x1100 | code);
    view.setUint16(HEADER + 2, sessionId);
    view.setUint16(HEADER + 4, HOST_UNIQ_TAG.length);
    frame.set(HOST_UNIQ_TAG, HEADER + 6);
    this.#netgraph.sendData(LOCAL, frame);
  }

  #succeeded(hook: string): true | undefined {
    for (let event = this.#netgraph.event(); event; event = this.#netgraph.event()) {
      if (event.cookie !== C.NGM_PPPOE_COOKIE || event.command !== C.NGM_PPPOE_SUCCESS) continue;
      if (textAt(event.body, S.ngpppoe_sts.hook, S.ngpppoe_sts.size) === hook) return true;
    }
    return undefined;
  }

  #silent(what: string): BackendError {
    return new BackendError('attach', this.#session, 'ETIMEDOUT', `ng_pppoe ${what}`);
  }
}
