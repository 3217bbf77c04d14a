/**
 * The pppoe node: discovery towards `ethernet` for each session hook, and the session's frames. A hook that goes while
 * connected says PADT, towards `ethernet` and nowhere else.
 */
import { concat } from '@ppp-thing/protocol/printable';
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { Errno, at, c, fail } from './abi.ts';
import { Node, type Hook, type Message } from './netgraph.ts';
import { ascii, be16, cstring, field, long, set16, u16 } from './octets.ts';

const NAME = 32;
const DISCOVERY = 0x8863;
const SESSION = 0x8864;
const PADI = 0x09;
const PADO = 0x07;
const PADR = 0x19;
const PADS = 0x65;
const PADT = 0xa7;
const TAG = { service: 0x0101, acName: 0x0102, hostUniq: 0x0103, cookie: 0x0104, maxp: 0x0120 };
const GENERIC_ERROR = 0x0203;
const LONGEST_INIT = 64;

interface Dial {
  state: 'primed' | 'requested' | 'connected';
  readonly creator: Node;
  readonly hostUniq: Uint8Array;
  readonly service: Uint8Array;
  readonly mac: Uint8Array;
  acMac: Uint8Array;
  sessionId: number;
  /** Counts sessions: of two with the same AC and SESSION_ID the one armed last is found. */
  order: number;
}

export class PppoeNode extends Node {
  readonly type = 'pppoe';
  readonly #dials = new Map<string, Dial>();
  #mac: Uint8Array = new Uint8Array(6);
  #maxPayload: number | undefined;
  #order = 0;
  #in = 0;
  #out = 0;

  /** SESSION_IDs of the sessions that are up. */
  get sessions(): readonly number[] {
    return [...this.#dials.values()]
      .filter(({ state }) => state === 'connected')
      .map(({ sessionId }) => sessionId);
  }

  override data(from: Hook, octets: Uint8Array): void {
    if (from.name !== 'ethernet') return this.#transmit(from, octets);
    this.#in++;
    const code = octets[15];
    if (be16(octets, 12) === SESSION) this.#receive(octets);
    else if (code === PADO) this.#offered(octets);
    else if (code === PADS) this.#confirmed(octets);
    else if (code === PADT) this.#terminated(octets);
  }

  #transmit({ name }: Hook, payload: Uint8Array): void {
    const dial = this.#dials.get(name);
    if (dial?.state !== 'connected') fail('ENETUNREACH');
    const bare = be16(payload, 0) === 0xff03 ? payload.subarray(2) : payload;
    this.#out++;
    this.#send(dial, SESSION, 0, dial.sessionId, bare);
  }

  #send(dial: Dial, type: number, code: number, sessionId: number, payload: Uint8Array): void {
    const header = new Uint8Array(20);
    header.set(dial.acMac, 0);
    header.set(dial.mac, 6);
    const view = new DataView(header.buffer);
    view.setUint16(12, type);
    header.set([0x11, code], 14);
    view.setUint16(16, sessionId);
    view.setUint16(18, payload.length);
    const ethernet = this.hook('ethernet') ?? fail('ENETUNREACH');
    ethernet.send(concat(header, payload));
  }

  #receive(frame: Uint8Array): void {
    const acMac = frame.subarray(6, 12);
    const sessionId = be16(frame, 16);
    const [found] = [...this.#dials]
      .filter(
        ([, dial]) =>
          dial.state === 'connected' &&
          dial.sessionId === sessionId &&
          sameOctets(dial.acMac, acMac),
      )
      .sort(([, a], [, b]) => b.order - a.order);
    if (found === undefined) fail('ENETUNREACH');
    const length = be16(frame, 18);
    if (20 + length > frame.length) fail('EMSGSIZE');
    this.hook(found[0])?.send(frame.slice(20, 20 + length));
  }

  #dialOf(frame: Uint8Array, state: Dial['state']): [string, Dial] | undefined {
    const hostUniq = tag(frame, TAG.hostUniq);
    return [...this.#dials].find(
      ([, dial]) =>
        dial.state === state && hostUniq !== undefined && sameOctets(dial.hostUniq, hostUniq),
    );
  }

  #offered(frame: Uint8Array): void {
    const found = this.#dialOf(frame, 'primed');
    if (found === undefined) return;
    const [, dial] = found;
    const acName = tag(frame, TAG.acName);
    if (acName !== undefined) {
      const name = new TextDecoder().decode(acName);
      this.#event(dial, 'NGM_PPPOE_ACNAME', 'NGM_PPPOE_ACNAME', field(name, NAME));
    }
    dial.state = 'requested';
    dial.acMac = frame.slice(6, 12);
    const cookie = tag(frame, TAG.cookie);
    this.#send(
      dial,
      DISCOVERY,
      PADR,
      0,
      concat(
        encodeTag(TAG.hostUniq, dial.hostUniq),
        cookie ? encodeTag(TAG.cookie, cookie) : new Uint8Array(0),
        acName ? encodeTag(TAG.acName, acName) : new Uint8Array(0),
        encodeTag(TAG.service, dial.service),
      ),
    );
  }

  #confirmed(frame: Uint8Array): void {
    const found = this.#dialOf(frame, 'requested');
    if (found === undefined) return;
    const [hook, dial] = found;
    dial.state = 'connected';
    dial.sessionId = be16(frame, 16);
    dial.order = ++this.#order;
    const id = new Uint8Array(2);
    set16(id, 0, dial.sessionId);
    this.#event(dial, 'NGM_PPPOE_SESSIONID', 'NGM_PPPOE_SESSIONID', id);
    const maxp = tag(frame, TAG.maxp);
    if (maxp !== undefined && this.#maxPayload !== undefined) {
      const value = new Uint8Array(2);
      set16(value, 0, be16(maxp, 0));
      const body = concat(field(hook, NAME), value);
      this.#event(dial, 'NGM_PPPOE_SETMAXP', 'NGM_PPPOE_SETMAXP', body);
    }
    this.#event(dial, 'NGM_PPPOE_SUCCESS', 'cmdid', field(hook, NAME));
  }

  /** The AC ends the session: the hook falls back to idle. */
  #terminated(frame: Uint8Array): void {
    for (const [hook, dial] of this.#dials) {
      const isIts =
        dial.sessionId === be16(frame, 16) && sameOctets(dial.acMac, frame.subarray(6, 12));
      if (dial.state !== 'connected' || !isIts) continue;
      this.#dials.delete(hook);
      this.#event(dial, 'NGM_PPPOE_CLOSE', 'cmdid', field(hook, NAME));
    }
  }

  /** Without `ethernet` there is nothing left to be. */
  override left({ name }: Hook): void {
    if (name === 'ethernet' && !this.isGone) this.graph.end(this);
    const dial = this.#dials.get(name);
    this.#dials.delete(name);
    if (dial === undefined) return;
    if (dial.state === 'connected' && this.hook('ethernet') !== undefined) this.#terminate(dial);
    this.#event(dial, 'NGM_PPPOE_CLOSE', 'cmdid', field(name, NAME));
  }

  #terminate(dial: Dial): void {
    const error = encodeTag(GENERIC_ERROR, ascii('session closed'));
    try {
      this.#send(dial, DISCOVERY, PADT, dial.sessionId, error);
    } catch (error) {
      // Nobody takes it: it is gone.
      if (!(error instanceof Errno)) throw error;
    }
  }

  /** Sessions go before `ethernet` does, so that their PADT still finds it. */
  override ending(): void {
    this.hooks.sort((a, b) => Number(a.name === 'ethernet') - Number(b.name === 'ethernet'));
  }

  #event(dial: Dial, command: string, cmdstr: string, body: Uint8Array): void {
    const message = { cookie: c('NGM_PPPOE_COOKIE'), command: c(command), cmdstr, body };
    dial.creator.hear(this, message);
  }

  override message({ cookie, command, body, from }: Message): Uint8Array | undefined {
    if (cookie !== c('NGM_PPPOE_COOKIE')) fail('EINVAL');
    switch (command) {
      case c('NGM_PPPOE_GET_STATUS'):
        return concat(long(this.#in), long(this.#out));
      case c('NGM_PPPOE_SETENADDR'):
        if (body.length !== 6) fail('EINVAL');
        this.#mac = body.slice();
        return undefined;
      case c('NGM_PPPOE_SETMAXP'):
        if (body.length !== 2) fail('EINVAL');
        this.#maxPayload = u16(body, 0);
        return undefined;
      case c('NGM_PPPOE_CONNECT'):
        return void this.#connect(body, from);
      default:
        fail('EINVAL');
    }
  }

  #connect(body: Uint8Array, creator: Node): void {
    const head = at('ngpppoe_init_data', 'size');
    if (body.length < head) fail('EINVAL');
    const length = u16(body, at('ngpppoe_init_data', 'data_len'));
    if (length > LONGEST_INIT || length !== body.length - head) fail('EMSGSIZE');
    const hook = cstring(body, 0, NAME);
    if (hook === 'ethernet' || this.hook(hook) === undefined) fail('ENOENT');
    if (this.#dials.has(hook)) fail('EISCONN');
    const text = new TextDecoder().decode(body.subarray(head));
    const [, unique, service = ''] = /^(?:[^\\]*\\)?(?:([^|]*)\|)?(.*)$/s.exec(text) ?? [];
    const dial: Dial = {
      state: 'primed',
      creator,
      hostUniq: unique === undefined ? ascii(hook) : hostUniqOf(unique),
      service: ascii(service),
      mac: this.#mac,
      acMac: new Uint8Array(6).fill(0xff),
      sessionId: 0,
      order: 0,
    };
    this.#dials.set(hook, dial);
    const maxp = new Uint8Array(2);
    new DataView(maxp.buffer).setUint16(0, this.#maxPayload ?? 0);
    const tags = [encodeTag(TAG.hostUniq, dial.hostUniq), encodeTag(TAG.service, dial.service)];
    if (this.#maxPayload !== undefined) tags.push(encodeTag(TAG.maxp, maxp));
    this.#send(dial, DISCOVERY, PADI, 0, concat(...tags));
  }
}

/** Lower-case hexadecimal after `0x`, or the text itself. */
function hostUniqOf(text: string): Uint8Array {
  if (!text.startsWith('0x')) return ascii(text);
  if (!/^0x([0-9a-f]{2})*$/.test(text)) fail('EINVAL');
  return Uint8Array.from(text.slice(2).match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function encodeTag(type: number, value: Uint8Array): Uint8Array {
  const { length } = value;
  return concat(Uint8Array.of(type >> 8, type & 0xff, length >> 8, length & 0xff), value);
}

function tag(frame: Uint8Array, type: number): Uint8Array | undefined {
  const end = Math.min(frame.length, 20 + be16(frame, 18));
  for (let i = 20; i + 4 <= end; i += 4 + be16(frame, i + 2))
    if (be16(frame, i) === type) return frame.slice(i + 4, i + 4 + be16(frame, i + 2));
  return undefined;
}
