/** The partner channel over time: silence, and what is not of this pair. Two of them, each other's network. */
import { millis, type Instant } from '@ppp-thing/protocol/time';
import { NO_SNAPSHOT, type PartnerMessage } from '@ppp-thing/protocol/session';
import { decodePartner } from '@ppp-thing/protocol/wire/partner';
import { keys, configText, supervisorConfig } from '@ppp-thing/lab/system/setting';
import { MAX_RETIRED } from '@ppp-thing/protocol/wire/partner-guard';
import { hmacSha256 } from '@ppp-thing/supervisor/hashes';
import { Log } from '@ppp-thing/supervisor/log';
import { Partner } from '@ppp-thing/supervisor/partner';
import t from 'tap';

const TIMEOUT = millis(3000);
const KEYS = keys([1], 1);

const message = (sender: number, holder = 1): PartnerMessage => ({
  sender,
  role: 'MASTER',
  healthy: true,
  armed: false,
  open: false,
  proven: false,
  yielding: false,
  hearing: true,
  snapshot: { ...NO_SNAPSHOT, epoch: 1, holder },
});

interface End {
  readonly partner: Partner;
  readonly heard: PartnerMessage[];
  /** Nonces that it has sent with. */
  readonly nonces: string[];
}

/** Two routers that hear each other at once, as long as `isCut` is not set. */
async function pair(): Promise<{
  ends: [End, End];
  clock: { now: number; isCut: boolean };
  /** The second one ends, and a new process takes its place. */
  restart(): Promise<End>;
}> {
  const clock = { now: 1000, isCut: false };
  const receivers: ((octets: Uint8Array, port: number) => void)[] = [];
  let octet = 0;
  const make = async (index: 0 | 1): Promise<End> => {
    const config = supervisorConfig(
      configText(index, { sessions: 1, ipv6: false, echoSeconds: 5 }),
    );
    if (config.partner === undefined) throw new Error('no partner');
    const heard: PartnerMessage[] = [];
    const nonces: string[] = [];
    const partner = await Partner.open({
      ...config.partner,
      keys: KEYS,
      sessions: config.sessions.map((settings) => ({ name: 'pppoe0', timeout: TIMEOUT, settings })),
      log: new Log(
        'error',
        () => undefined,
        () => 0,
      ),
      random: (length) => new Uint8Array(length).fill(++octet),
      now: () => clock.now as Instant,
      heard: (_, said) => heard.push(said),
      openUdp: async (options) => {
        receivers[index] = (octets, port) => options.receive(octets, port);
        return {
          send: (octets) => {
            const sent = decodePartner(octets, () => KEYS.byId.get(1), hmacSha256);
            if (sent.kind === 'authentic') nonces.push(String(sent.header.nonce));
            if (!clock.isCut) receivers[1 - index]?.(octets, config.partner?.port ?? 0);
          },
          trouble: () => undefined,
          close: () => undefined,
        };
      },
    });
    return { partner, heard, nonces };
  };
  return { ends: [await make(0), await make(1)], clock, restart: () => make(1) };
}

void t.test(
  'partner › a silence renews the nonce once, and the two find each other again',
  async (t) => {
    const { ends, clock } = await pair();
    const [a, b] = ends;
    for (let i = 0; i < 3; i++) {
      a.partner.tell('pppoe0', message(1));
      b.partner.tell('pppoe0', message(2));
    }
    t.ok(a.heard.length > 0 && b.heard.length > 0);
    const before = a.nonces.at(-1);
    clock.isCut = true;
    clock.now += TIMEOUT + 1;
    a.partner.tell('pppoe0', message(1));
    const renewed = a.nonces.at(-1);
    t.not(renewed, before);
    clock.now += TIMEOUT + 1;
    a.partner.tell('pppoe0', message(1));
    t.equal(a.nonces.at(-1), renewed, 'once');
    clock.isCut = false;
    const heard = a.heard.length;
    for (let i = 0; i < 3; i++) {
      b.partner.tell('pppoe0', message(2));
      a.partner.tell('pppoe0', message(1));
    }
    t.ok(a.heard.length > heard);
  },
);

void t.test('partner › a session that nobody of this pair holds is not heard', async (t) => {
  const { ends } = await pair();
  const [a, b] = ends;
  const talk = (holder: number): void => {
    for (let i = 0; i < 3; i++) {
      a.partner.tell('pppoe0', message(1));
      b.partner.tell('pppoe0', message(2, holder));
    }
  };
  talk(77);
  t.same(a.heard, []);
  talk(2);
  t.ok(a.heard.length > 0);
});

void t.test(
  'partner › one that restarts again and again, without a silence, is heard',
  async (t) => {
    const { ends, clock, restart } = await pair();
    const [a] = ends;
    for (let i = 0; i < 2 * MAX_RETIRED; i++) {
      const b = await restart();
      const before = a.heard.length;
      for (let round = 0; round < 3; round++) {
        a.partner.tell('pppoe0', message(1));
        b.partner.tell('pppoe0', message(2));
        clock.now += 500;
      }
      if (a.heard.length === before) t.fail(`not after ${i} restarts`);
    }
    t.ok(a.heard.length >= 2 * MAX_RETIRED);
  },
);
