/**
 * What every backend promises, as one suite: `backendContract(name, makeWorld)`. The world is the rest of the machine
 * and the line; each backend's own test brings it. It tests no supervisor and no interlock.
 */
import t, { type Test } from 'tap';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import type { Backend, BackendEvents, Key, Role } from '@ppp-thing/helper/backend';
import type { SessionVerbs, Settings } from '@ppp-thing/helper/backend';
import { encodeAnnounce } from '@ppp-thing/helper/announce';
import type { MainLoop } from '@ppp-thing/helper/loop';
import type { SessionPolicy } from '@ppp-thing/helper/policy';

type Waited = void | Promise<void>;

/** Everything around the backend. Follows CARP with one session; the role is BACKUP and the carrier up at first. */
export interface World {
  readonly loop: MainLoop;
  readonly policy: SessionPolicy;
  /** A backend as a new helper makes it, not started. One lives at a time: the one before has left or been removed. */
  makeBackend(events: BackendEvents): Backend;
  /** Every frame that the router sent on the line, oldest first. The world appends, and wakes the loop. */
  readonly heard: readonly Uint8Array[];
  /** Put a frame on the line as another station would. */
  inject(frame: Uint8Array): Waited;
  setRole(role: Exclude<Role, 'INIT'>): Waited;
  setCarrier(up: boolean): Waited;
  close(): Waited;
}

/** Tests of this suite that a backend cannot be held to, by name, and why. */
export interface Skip {
  readonly reason: string;
  readonly tests: readonly string[];
}

const AC_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0xac);
const OTHER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0xbb);
const BROADCAST = new Uint8Array(6).fill(0xff);
const KEY: Key = { sessionId: 0x1234, acMac: AC_MAC };
const OTHER_KEY: Key = { sessionId: 0x4321, acMac: AC_MAC };
const MAX_PAYLOAD = 1492;
const DISCOVERY = 0x8863;
const SESSION = 0x8864;
const ANNOUNCE = 0x8035;
const LCP = 0xc021;
/** LCP Echo-Request, Identifier 7, Magic-Number 0. */
const ECHO = Uint8Array.of(9, 7, 0, 8, 0, 0, 0, 0);
/** PADI for any service, with no tag but that. */
const PADI = Uint8Array.of(0x11, 0x09, 0, 0, 0, 4, 1, 1, 0, 0);
const PADR = Uint8Array.of(0x11, 0x19, ...PADI.subarray(2));
const PADT_CODE = 0xa7;
const SETTINGS: Settings = {
  mtu: 1492,
  up: true,
  ourAddress: Uint8Array.of(198, 51, 100, 7),
  theirAddress: Uint8Array.of(198, 51, 100, 1),
  interfaceIds: null,
};
/** A wait that lasts so long has failed. */
const PATIENCE_MS = 300_000;

const u16 = (octets: Uint8Array, at: number): number =>
  ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
const same = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((octet, i) => octet === b[i]);
const etherType = (frame: Uint8Array): number => u16(frame, 12);

function ethernet(to: Uint8Array, from: Uint8Array, type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(Math.max(60, 14 + payload.length));
  frame.set(to);
  frame.set(from, 6);
  frame.set([type >> 8, type & 0xff], 12);
  frame.set(payload, 14);
  return frame;
}

/** A packet of the session as the AC sends it: PPPoE header, PPP's Protocol, packet. */
function fromAc(
  to: Uint8Array,
  protocol: number,
  packet: Uint8Array,
  { sessionId, acMac } = KEY,
): Uint8Array {
  const length = packet.length + 2;
  const header = [0x11, 0, sessionId >> 8, sessionId & 0xff, length >> 8, length & 0xff];
  const payload = Uint8Array.from([...header, protocol >> 8, protocol & 0xff, ...packet]);
  return ethernet(to, acMac, SESSION, payload);
}

/** A helper's life on a world: its backend, started, and everything it told. */
class Life {
  readonly world: World;
  readonly backend: Backend;
  readonly verbs: SessionVerbs;
  readonly told: unknown[] = [];
  readonly name: string;

  constructor(world: World) {
    this.world = world;
    this.name = world.policy.name;
    const tell =
      (event: string) =>
      (...facts: readonly unknown[]): void =>
        void this.told.push([event, ...facts]);
    this.backend = world.makeBackend({
      discoveryFrame: (session, source, payload) =>
        tell('discovery')(session, source.slice(), payload.slice()),
      pppFrame: (session, protocol, packet) => tell('ppp')(session, protocol, packet.slice()),
      roles: (edges) => edges.forEach(({ session, role }) => tell('role')(session, role)),
      carrier: tell('carrier'),
      ownMacHeard: tell('own-mac-heard'),
      sessionClosed: tell('closed'),
      dropped: tell('dropped'),
    });
    this.verbs = this.backend.start(world.policy);
  }

  /** Wait until `found` gives something. */
  async until<T>(what: string, found: () => T | undefined): Promise<T> {
    const { loop } = this.world;
    let late = false;
    const stop = loop.after(PATIENCE_MS, () => (late = true));
    await loop.run(() => late || found() !== undefined);
    stop();
    const result = found();
    if (result === undefined) throw new Error(`waited in vain for ${what}`);
    return result;
  }

  /** What was told of `event` so far. */
  tellings(event: string): unknown[] {
    return this.told.filter((each) => Array.isArray(each) && each[0] === event);
  }

  async heard(what: string, type: number, after = 0): Promise<Uint8Array> {
    const { heard } = this.world;
    return this.until(what, () => heard.slice(after).find((frame) => etherType(frame) === type));
  }

  /** Put a frame on the line, and after it one that is always told; what is told before that is the frame's doing. */
  async tellingsOf(frame: Uint8Array): Promise<unknown[]> {
    const marker = Uint8Array.of(0x11, 0x07, 0, 0, 0, 4, 1, 1, 0, 0);
    const before = this.told.length;
    const isMarker = (each: unknown): boolean =>
      Array.isArray(each) && each[0] === 'discovery' && same(each[2], OTHER_MAC);
    const count = this.told.filter(isMarker).length;
    await this.world.inject(frame);
    await this.world.inject(ethernet(this.world.policy.mac, OTHER_MAC, DISCOVERY, marker));
    await this.until('the marker', () => this.told.filter(isMarker)[count]);
    const since = this.told.slice(before);
    return since.filter((each) => isOfFrame(each) && !isMarker(each));
  }

  /** Do `act`, and then send what always leaves; the frames that left before that are its doing. */
  async heardOf(act: () => void): Promise<Uint8Array[]> {
    const { heard } = this.world;
    const before = heard.length;
    act();
    this.verbs.sendDiscovery(OTHER_MAC, PADI);
    const isMarker = (frame: Uint8Array): boolean =>
      etherType(frame) === DISCOVERY && same(frame.subarray(0, 6), OTHER_MAC);
    await this.until('the marker', () => heard.slice(before).find(isMarker));
    return heard.slice(before).filter((frame) => !isMarker(frame) && isOfPppoe(frame));
  }

  /** Attached, MASTER, gate open. */
  async open(): Promise<void> {
    await this.become('MASTER');
    this.verbs.attach(KEY, MAX_PAYLOAD);
    this.verbs.gate(true);
  }

  async become(role: Exclude<Role, 'INIT'>): Promise<void> {
    await this.world.setRole(role);
    await this.until(`role ${role}`, () => this.verbs.inspect().role === role || undefined);
  }
}

const isOfFrame = (told: unknown): boolean =>
  Array.isArray(told) && ['discovery', 'ppp', 'own-mac-heard'].includes(String(told[0]));

const isOfPppoe = (frame: Uint8Array): boolean =>
  [DISCOVERY, SESSION, ANNOUNCE].includes(etherType(frame));

const isPadt = (frame: Uint8Array): boolean =>
  etherType(frame) === DISCOVERY && frame[15] === PADT_CODE;

type Body = (t: Test, life: Life, world: World) => Promise<void>;

const TESTS: Readonly<Record<string, Body>> = {
  'start › a fresh session is not attached, its gate closed, the role and carrier as they are':
    async (t, { verbs }) => {
      t.strictSame(verbs.inspect(), {
        role: 'BACKUP',
        carrier: true,
        attached: null,
        gateOpen: false,
        demoted: false,
      });
    },

  'start › again changes nothing': async (t, life, world) => {
    await life.open();
    life.backend.start(world.policy);
    t.match(life.verbs.inspect(), { attached: KEY, gateOpen: true, role: 'MASTER' });
  },

  'discovery-send › leaves with the EtherType, from the MAC of the session, on a BACKUP too':
    async (t, life, world) => {
      life.verbs.sendDiscovery(BROADCAST, PADI);
      const frame = await life.heard('a PADI', DISCOVERY);
      t.strictSame(frame.slice(0, 6), BROADCAST);
      t.strictSame(frame.slice(6, 12), world.policy.mac);
      t.strictSame(frame.slice(14, 14 + PADI.length), PADI);
    },

  'discovery-frame › frames to our MAC and to everybody are told, others not': async (
    t,
    life,
    world,
  ) => {
    const { mac } = world.policy;
    for (const to of [mac, BROADCAST]) {
      const [told] = await life.tellingsOf(ethernet(to, AC_MAC, DISCOVERY, PADI));
      t.match(told, ['discovery', life.name, AC_MAC]);
      t.strictSame((told as [unknown, unknown, unknown, Uint8Array])[3].slice(0, 10), PADI);
    }
    t.strictSame(await life.tellingsOf(ethernet(OTHER_MAC, AC_MAC, DISCOVERY, PADI)), []);
    t.strictSame(
      await life.tellingsOf(ethernet(BROADCAST, mac, DISCOVERY, PADI)),
      [],
      'nor what the partner sent with our own MAC',
    );
  },

  'discovery-frame › a tag with a priority only is no VLAN; a frame of a VLAN is not for this line':
    async (t, life, world) => {
      const plain = ethernet(world.policy.mac, AC_MAC, DISCOVERY, PADI);
      const tagged = (tag: number): Uint8Array =>
        Uint8Array.from([...plain.slice(0, 12), 0x81, 0, tag >> 8, tag & 0xff, ...plain.slice(12)]);
      const [told] = await life.tellingsOf(tagged(0xc000));
      t.match(told, ['discovery', life.name, AC_MAC]);
      t.strictSame((told as [unknown, unknown, unknown, Uint8Array])[3].slice(0, 10), PADI);
      t.strictSame(await life.tellingsOf(tagged(0xc007)), []);
    },

  'attach › joins the session behind a closed gate, silently': async (t, life) => {
    const left = await life.heardOf(() => life.verbs.attach(KEY, MAX_PAYLOAD));
    t.match(life.verbs.inspect(), { attached: KEY, gateOpen: false });
    t.strictSame(left, []);
  },

  'attach › the same session again keeps it as it is, an open gate included': async (t, life) => {
    await life.open();
    life.verbs.attach(KEY, MAX_PAYLOAD);
    t.match(life.verbs.inspect(), { attached: KEY, gateOpen: true });
  },

  'attach › another session takes the place of the first, gate closed, no PADT': async (
    t,
    life,
  ) => {
    await life.open();
    const left = await life.heardOf(() => life.verbs.attach(OTHER_KEY, MAX_PAYLOAD));
    t.match(life.verbs.inspect(), { attached: OTHER_KEY, gateOpen: false });
    t.strictSame(left.filter(isPadt), []);
  },

  'gate › opens and closes, and again': async (t, life) => {
    await life.open();
    for (const open of [true, false, false, true, false, true]) {
      life.verbs.gate(open);
      t.equal(life.verbs.inspect().gateOpen, open);
    }
  },

  'gate › opened without a session: ENOTCONN; closed without one: no effect': async (t, life) => {
    t.throws(() => life.verbs.gate(true), { name: 'BackendError', code: 'ENOTCONN' });
    life.verbs.gate(false);
    t.equal(life.verbs.inspect().gateOpen, false);
  },

  'ppp-send › leaves as a frame of the session': async (t, life, world) => {
    await life.open();
    life.verbs.sendPpp(LCP, ECHO);
    const frame = await life.heard('an Echo-Request', SESSION);
    const expected = fromAc(AC_MAC, LCP, ECHO, { ...KEY, acMac: world.policy.mac });
    t.strictSame(frame.slice(0, 14 + 8 + ECHO.length), expected.slice(0, 14 + 8 + ECHO.length));
  },

  'ppp-send › nothing leaves while the gate is closed: ENETDOWN': async (t, life) => {
    const refused = (): void =>
      void t.throws(() => life.verbs.sendPpp(LCP, ECHO), {
        name: 'BackendError',
        code: 'ENETDOWN',
      });
    t.strictSame(await life.heardOf(refused), [], 'nothing attached');
    life.verbs.attach(KEY, MAX_PAYLOAD);
    t.strictSame(await life.heardOf(refused), [], 'armed');
    await life.become('MASTER');
    life.verbs.gate(true);
    life.verbs.gate(false);
    t.strictSame(await life.heardOf(refused), [], 'closed again');
  },

  'ppp-frame › control packets of the session are told': async (t, life, world) => {
    await life.open();
    const { mac } = world.policy;
    for (const protocol of [LCP, 0xc223, 0x8021, 0x8057, 0x80fd]) {
      t.strictSame(await life.tellingsOf(fromAc(mac, protocol, ECHO)), [
        ['ppp', life.name, protocol, ECHO],
      ]);
    }
  },

  "ppp-frame › another session's, another station's and another host's are not": async (
    t,
    life,
    world,
  ) => {
    await life.open();
    const { mac } = world.policy;
    t.strictSame(await life.tellingsOf(fromAc(mac, LCP, ECHO, OTHER_KEY)), []);
    const stranger = { ...KEY, acMac: OTHER_MAC };
    t.strictSame(await life.tellingsOf(fromAc(mac, LCP, ECHO, stranger)), []);
    t.strictSame(await life.tellingsOf(fromAc(OTHER_MAC, LCP, ECHO)), []);
  },

  'ppp-frame › nothing is told through a closed gate': async (t, life, world) => {
    const { mac } = world.policy;
    await life.become('MASTER');
    life.verbs.attach(KEY, MAX_PAYLOAD);
    t.strictSame(await life.tellingsOf(fromAc(mac, LCP, ECHO)), []);
    life.verbs.gate(true);
    t.equal(
      (await life.tellingsOf(fromAc(mac, LCP, ECHO))).length,
      1,
      'and is through an open one',
    );
  },

  'ppp-frame › what the AC says between its PADS and the gate is told when that opens': async (
    t,
    life,
    world,
  ) => {
    const { mac } = world.policy;
    const ask = (identifier: number): Uint8Array =>
      Uint8Array.of(9, identifier, ...ECHO.subarray(2));
    await life.become('MASTER');
    life.verbs.sendDiscovery(AC_MAC, PADR);
    const stranger = { ...KEY, acMac: OTHER_MAC };
    for (const frame of [
      fromAc(mac, LCP, ask(1)),
      fromAc(mac, LCP, ask(101), OTHER_KEY),
      fromAc(mac, LCP, ask(102), stranger),
      fromAc(mac, 0x0021, ask(103)),
    ])
      t.strictSame(await life.tellingsOf(frame), [], 'nobody can answer it yet');
    life.verbs.attach(KEY, MAX_PAYLOAD);
    t.strictSame(await life.tellingsOf(fromAc(mac, LCP, ask(2))), []);
    life.verbs.gate(true);
    const expected = [1, 2].map((identifier) => ['ppp', life.name, LCP, ask(identifier)]);
    t.strictSame(life.tellings('ppp'), expected);
    t.strictSame(await life.tellingsOf(fromAc(mac, LCP, ask(3))), [
      ['ppp', life.name, LCP, ask(3)],
    ]);
    t.equal(life.tellings('ppp').length, 3, 'each once');
  },

  'ppp-frame › of what came before the last PADR nothing is told, nor after another dial': async (
    t,
    life,
    world,
  ) => {
    const { mac } = world.policy;
    await life.become('MASTER');
    life.verbs.sendDiscovery(AC_MAC, PADR);
    await life.tellingsOf(fromAc(mac, LCP, ECHO));
    life.verbs.sendDiscovery(AC_MAC, PADR);
    life.verbs.attach(KEY, MAX_PAYLOAD);
    life.verbs.gate(true);
    t.strictSame(life.tellings('ppp'), []);
  },

  'configure, deconfigure and route › may be repeated, and in any state': async (t, life) => {
    const { verbs } = life;
    const twice = (act: () => void): void => {
      act();
      act();
    };
    await life.open();
    twice(() => verbs.configure(SETTINGS));
    for (const via of ['session', 'none', 'session'] as const) twice(() => verbs.route(via));
    twice(() => verbs.configure({ ...SETTINGS, up: false, mtu: 1400 }));
    twice(() => verbs.raise(SETTINGS));
    twice(() => verbs.route('session'));
    if (life.world.policy.partnerAddress !== undefined) twice(() => verbs.route('partner'));
    twice(() => verbs.route('none'));
    twice(() => verbs.deconfigure());
    t.match(verbs.inspect(), { attached: KEY, gateOpen: true });
  },

  'announce › is a broadcast from the MAC of the session that carries the epoch': async (
    t,
    life,
    world,
  ) => {
    const announced = { epoch: 0x0102_0304, proof: NO_PROOF };
    life.verbs.announce(announced);
    const frame = await life.heard('an announce', ANNOUNCE);
    const expected = encodeAnnounce(world.policy.mac, announced);
    t.strictSame(frame.slice(0, expected.length), expected);
  },

  "own-mac-heard › the other router's announce is told with its epoch, others' are not": async (
    t,
    life,
    world,
  ) => {
    t.strictSame(
      await life.tellingsOf(encodeAnnounce(world.policy.mac, { epoch: 42, proof: NO_PROOF })),
      [['own-mac-heard', life.name, { epoch: 42, proof: NO_PROOF }]],
    );
    t.strictSame(
      await life.tellingsOf(encodeAnnounce(OTHER_MAC, { epoch: 42, proof: NO_PROOF })),
      [],
    );
  },

  'detach › leaves nothing attached and no PADT on the wire, and again': async (t, life) => {
    await life.open();
    const left = await life.heardOf(() => {
      life.verbs.detach();
      life.verbs.detach();
    });
    t.match(life.verbs.inspect(), { attached: null, gateOpen: false });
    t.strictSame(left, []);
    t.throws(() => life.verbs.sendPpp(LCP, ECHO), { code: 'ENETDOWN' });
  },

  'detach › the same session may be attached anew': async (t, life, world) => {
    await life.open();
    life.verbs.detach();
    await life.open();
    t.strictSame(await life.tellingsOf(fromAc(world.policy.mac, LCP, ECHO)), [
      ['ppp', life.name, LCP, ECHO],
    ]);
  },

  'demote › is in force until it is taken back': async (t, life) => {
    const demoted = (): boolean => life.verbs.inspect().demoted;
    life.verbs.demote(true);
    t.equal(demoted(), true);
    life.verbs.demote(false);
    t.equal(demoted(), false);
  },

  'role › both edges are told, with the gate left to the interlock': async (t, life, world) => {
    life.verbs.attach(KEY, MAX_PAYLOAD);
    const latest = (role: Role) => () =>
      life.tellings('role').some((each) => Array.isArray(each) && each[2] === role) || undefined;
    await world.setRole('MASTER');
    await life.until('MASTER', latest('MASTER'));
    t.equal(life.verbs.inspect().gateOpen, false);
    life.verbs.gate(true);
    life.told.length = 0;
    await world.setRole('BACKUP');
    await life.until('BACKUP', latest('BACKUP'));
    t.equal(life.verbs.inspect().role, 'BACKUP');
  },

  'carrier › its loss and return are told': async (t, life, world) => {
    for (const up of [false, true]) {
      await world.setCarrier(up);
      await life.until(
        `carrier ${up}`,
        () =>
          life.tellings('carrier').some((each) => Array.isArray(each) && each[2] === up) ||
          undefined,
      );
      t.equal(life.verbs.inspect().carrier, up);
    }
  },

  'counters › count the packets of the session, each way': async (t, life, world) => {
    await life.open();
    life.verbs.configure(SETTINGS);
    const before = life.verbs.counters();
    life.verbs.sendPpp(LCP, ECHO);
    await life.tellingsOf(fromAc(world.policy.mac, LCP, ECHO));
    const after = life.verbs.counters();
    for (const key of ['packetsIn', 'packetsOut', 'octetsIn', 'octetsOut'] as const)
      t.ok(after[key] > before[key], `${key}: ${before[key]} to ${after[key]}`);
  },

  'leave › the next helper finds the session open on a MASTER, and talks on it': async (
    t,
    life,
    world,
  ) => {
    await life.open();
    life.backend.leave();
    const next = new Life(world);
    t.match(next.verbs.inspect(), { attached: KEY, gateOpen: true, role: 'MASTER' });
    t.strictSame(await next.tellingsOf(fromAc(world.policy.mac, LCP, ECHO)), [
      ['ppp', next.name, LCP, ECHO],
    ]);
    const left = await next.heardOf(() => next.verbs.sendPpp(LCP, ECHO));
    t.equal(left.length, 1);
    t.strictSame(world.heard.filter(isPadt), []);
    next.backend.remove();
  },

  'leave › the next helper finds an armed session armed': async (t, life, world) => {
    life.verbs.attach(KEY, MAX_PAYLOAD);
    life.backend.leave();
    const next = new Life(world);
    t.match(next.verbs.inspect(), { attached: KEY, gateOpen: false, role: 'BACKUP' });
    next.backend.remove();
  },

  'leave › a gate that the role forbids by now is closed by the next helper': async (
    t,
    life,
    world,
  ) => {
    await life.open();
    life.backend.leave();
    await world.setRole('BACKUP');
    const next = new Life(world);
    t.match(next.verbs.inspect(), { attached: KEY, gateOpen: false, role: 'BACKUP' });
    t.throws(() => next.verbs.sendPpp(LCP, ECHO), { code: 'ENETDOWN' });
    next.backend.remove();
  },

  'remove › nothing is left, and nothing is said on the wire': async (t, life, world) => {
    await life.open();
    life.verbs.configure(SETTINGS);
    life.verbs.route('session');
    const before = world.heard.length;
    life.backend.remove();
    const next = new Life(world);
    t.match(next.verbs.inspect(), { attached: null, gateOpen: false });
    await next.heardOf(() => {});
    t.strictSame(world.heard.slice(before).filter(isPadt), []);
    next.backend.remove();
  },
};

const ENDS_ITSELF = /^(leave|remove) /;

/** Register the suite for one backend. Every test gets a world of its own. */
export function backendContract(
  name: string,
  makeWorld: () => Promise<World>,
  skips: readonly Skip[] = [],
): void {
  const unknown = skips.flatMap(({ tests }) => tests).filter((each) => !(each in TESTS));
  if (unknown.length > 0) throw new Error(`no such test: ${unknown.join(', ')}`);
  for (const [title, body] of Object.entries(TESTS)) {
    const skip = skips.find(({ tests }) => tests.includes(title))?.reason ?? false;
    void t.test(`backend ${name} › ${title}`, { skip }, async (t) => {
      const world = await makeWorld();
      t.teardown(() => world.close());
      const life = new Life(world);
      await body(t, life, world);
      if (!ENDS_ITSELF.test(title)) life.backend.remove();
    });
  }
}
