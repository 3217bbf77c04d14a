import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { type PartnerMessage, NO_SNAPSHOT } from '@ppp-thing/protocol/session';
import { ConfigError } from '@ppp-thing/protocol/config-text';
import type { Instant } from '@ppp-thing/protocol/time';
import { parseKeys, type Keys } from '@ppp-thing/supervisor/keys';
import { Log } from '@ppp-thing/supervisor/log';
import { Partner } from '@ppp-thing/supervisor/partner';
import { random } from '@ppp-thing/supervisor/clock';
import {
  decodePartner,
  encodePartner,
  NO_NONCE,
  type Received,
} from '@ppp-thing/protocol/wire/partner';
import { hmac, LEASE, SNAPSHOT, holderSays } from '../fixtures/partner.ts';
import { sessionSettings } from '../fixtures/settings.ts';

const KEY = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
const OTHER = 'ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
const keys = (text: string, active?: number): Keys => parseKeys(text, 'test.key', active);

const ADDRESSES = ['127.0.0.1', '127.0.0.2'] as const;

/** A port that is free at both addresses now. */
async function freePort(): Promise<number> {
  const probe = createSocket('udp4');
  probe.bind(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

interface End {
  readonly partner: Partner;
  readonly heard: PartnerMessage[];
  readonly lines: string[];
  now: number;
  /** Settles when `wanted` messages have been heard in all. */
  hears(wanted: number): Promise<void>;
}

/** Router 0 or 1 of a pair, at 127.0.0.1 or 127.0.0.2. */
async function end(
  t: Test,
  which: 0 | 1,
  port: number,
  withKeys: Keys | undefined,
  session = 'pppoe0',
  more?: string,
  wallClock?: () => number,
): Promise<End> {
  const lines: string[] = [];
  const heard: PartnerMessage[] = [];
  let waiting: { wanted: number; resolve: () => void } | undefined;
  const wake = (): void => {
    if (waiting !== undefined && heard.length >= waiting.wanted) waiting.resolve();
  };
  const made = {
    heard,
    lines,
    now: 0,
    hears: (wanted: number): Promise<void> =>
      new Promise((resolve) => {
        waiting = { wanted, resolve };
        wake();
      }),
  };
  const partner = await Partner.open({
    localAddress: ADDRESSES[which],
    address: ADDRESSES[1 - which] ?? '',
    port,
    routerId: which + 1,
    partnerId: 2 - which,
    keys: withKeys,
    sessions: [{ name: session, timeout: 5000, settings: sessionSettings(session, more) }],
    log: new Log(
      'debug',
      (line) => lines.push(line),
      () => 0,
    ),
    random,
    ...(wallClock && { wallClock }),
    now: () => made.now as Instant,
    heard: (_session, message) => {
      heard.push(message);
      wake();
    },
  });
  t.teardown(() => partner.close());
  return Object.assign(made, { partner });
}

const message = (sender: number): PartnerMessage => holderSays(sender, SNAPSHOT);

/** A socket in the place of a router, which hears what the other sends it. */
async function wiretap(t: Test, address: string, port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(port, address);
  await once(socket, 'listening');
  t.teardown(() => {
    if (isOpen.has(socket)) socket.close();
  });
  isOpen.add(socket);
  socket.once('close', () => isOpen.delete(socket));
  return socket;
}

const isOpen = new Set<Socket>();

function authentic(octets: Uint8Array): Extract<Received, { kind: 'authentic' }> {
  const received = decodePartner(octets, (id) => keys(`7 ${KEY}`).byId.get(id), hmac);
  if (received.kind !== 'authentic') throw new Error(received.kind);
  return received;
}

async function datagram(socket: Socket): Promise<Buffer> {
  const [octets] = (await once(socket, 'message')) as [Buffer];
  return octets;
}

t.test('partner › two routers that start hear each other after one round trip', async (t) => {
  const port = await freePort();
  const a = await end(t, 0, port, keys(`7 ${KEY}`));
  const b = await end(t, 1, port, keys(`7 ${KEY}`));
  b.partner.tell('pppoe0', { ...message(2), role: 'BACKUP', open: false, snapshot: NO_SNAPSHOT });
  // The first cannot be believed: it echoes no nonce. It is answered, once A has something to say.
  a.partner.tell('pppoe0', message(1));
  await b.hears(1);
  await a.hears(1);
  t.strictSame(b.heard[0], message(1));
  t.equal(a.heard[0]?.role, 'BACKUP');
  t.strictSame(a.heard[0]?.snapshot, NO_SNAPSHOT);
  a.partner.tell('pppoe0', { ...message(1), proven: false });
  await b.hears(2);
  t.equal(b.heard[1]?.proven, false);
  t.equal(a.partner.trouble(), undefined);
});

t.test('partner › how far the partner’s clock is ahead is known while it is heard', async (t) => {
  const port = await freePort();
  const a = await end(t, 0, port, keys(`7 ${KEY}`), 'pppoe0', undefined, () => 1_000_000);
  const b = await end(t, 1, port, keys(`7 ${KEY}`), 'pppoe0', undefined, () => 1_004_200.5);
  t.equal(a.partner.clockOffset(), undefined, 'before anything was heard');
  a.partner.tell('pppoe0', message(1));
  b.partner.tell('pppoe0', message(2));
  await a.hears(1);
  await b.hears(1);
  t.equal(a.partner.clockOffset(), 4200);
  t.equal(b.partner.clockOffset(), -4200.5);
  a.now = 5001;
  t.equal(a.partner.clockOffset(), undefined, 'not of a partner that has fallen silent');
});

t.test('partner › a lease is as old here as there, however far the clocks are apart', async (t) => {
  const port = await freePort();
  const granted = LEASE.grantedAt;
  const snapshot = { ...SNAPSHOT, lease: LEASE };
  const said = { ...message(1), snapshot };
  const hears = async (theirs: number, ours: number): Promise<number | undefined> => {
    const a = await end(t, 0, port, keys(`7 ${KEY}`), 'pppoe0', undefined, () => theirs * 1000);
    const b = await end(t, 1, port, keys(`7 ${KEY}`), 'pppoe0', undefined, () => ours * 1000);
    b.partner.tell('pppoe0', message(2));
    a.partner.tell('pppoe0', said);
    await b.hears(1);
    a.partner.close();
    b.partner.close();
    return b.heard[0]?.snapshot.lease?.grantedAt;
  };
  t.equal(await hears(granted + 50, granted + 55), granted, 'a few seconds are none');
  t.equal(await hears(granted + 50, 86_400), 86_350, 'our clock is decades behind');
  t.equal(await hears(granted + 50, 3e9), 3e9 - 50, 'or ahead');
});

t.test('partner › a wrong key is refused, counted, and said once', async (t) => {
  const port = await freePort();
  const a = await end(t, 0, port, keys(`7 ${KEY}`));
  const b = await end(t, 1, port, keys(`7 ${OTHER}`));
  const c = await wiretap(t, '127.0.0.1', 0);
  for (let i = 0; i < 3; i++) b.partner.tell('pppoe0', message(2));
  c.send('from another address', port, '127.0.0.1');
  // A datagram under the right key is answered after all the wrong ones were looked at.
  b.partner.setKeys(keys(`7 ${KEY}`));
  b.partner.tell('pppoe0', message(2));
  a.partner.tell('pppoe0', message(1));
  await b.hears(1);
  await a.hears(1);
  t.equal(a.partner.refused()['forged'], 3);
  t.equal(a.heard.length, 1);
  const said = a.lines.filter((line) => line.includes('its HMAC is not that of key 7'));
  t.equal(said.length, 1, said.join('\n'));
  t.notMatch(a.lines.join('\n'), /00010203|ff010203/);
});

t.test(
  'partner › where the configurations differ is known by name, and no value is told',
  async (t) => {
    const port = await freePort();
    const ours = keys(`7 ${KEY}`);
    const a = await end(t, 0, port, ours, 'pppoe0', 'password = "hunter2"\nmtu = 1500');
    const b = await end(t, 1, port, ours, 'pppoe0', 'password = "hunter3"\nipv6 = true');
    t.equal(a.partner.differs('pppoe0'), undefined, 'before anything was heard');
    a.partner.tell('pppoe0', message(1));
    b.partner.tell('pppoe0', message(2));
    await a.hears(1);
    await b.hears(1);
    t.strictSame(a.partner.differs('pppoe0'), ['ipv6', 'mtu', 'password']);
    t.strictSame(b.partner.differs('pppoe0'), ['ipv6', 'mtu', 'password']);
    const said = 'warn: pppoe0: the partner is configured otherwise: ipv6, mtu, password';
    b.partner.tell('pppoe0', message(2));
    await a.hears(2);
    t.strictSame(
      a.lines.filter((line) => line.includes('otherwise')),
      [said],
      'once',
    );
  },
);

t.test(
  'partner › what only one router knows, or needs, or says otherwise, is no difference',
  async (t) => {
    const port = await freePort();
    const both = `7 ${KEY}\n8 ${OTHER}`;
    const a = await end(t, 0, port, keys(both, 7));
    const own =
      'password = "hunter2"\nlocal_address = "10.0.0.3"\npartner_address = "10.0.0.2"\nfib = 1';
    const b = await end(t, 1, port, keys(both, 8), 'pppoe0', own);
    a.partner.tell('pppoe0', message(1));
    b.partner.tell('pppoe0', message(2));
    await a.hears(1);
    t.strictSame(a.partner.differs('pppoe0'), []);
  },
);

t.test('partner › a new key is no difference, whatever was said under the old one', async (t) => {
  const port = await freePort();
  const both = `7 ${KEY}\n8 ${OTHER}`;
  const b = await end(t, 1, port, keys(both, 8));
  b.partner.tell('pppoe0', message(2));
  b.partner.setKeys(keys(both, 7));
  const a = await end(t, 0, port, keys(both, 7));
  a.partner.tell('pppoe0', message(1));
  b.partner.tell('pppoe0', message(2));
  await a.hears(1);
  t.strictSame(a.partner.differs('pppoe0'), []);
});

t.test('partner › keys rotate without a moment of disagreement', async (t) => {
  const port = await freePort();
  const both = `7 ${KEY}\n8 ${OTHER}`;
  const a = await end(t, 0, port, keys(both, 7));
  const b = await end(t, 1, port, keys(both, 8));
  a.partner.tell('pppoe0', message(1));
  b.partner.tell('pppoe0', message(2));
  await a.hears(1);
  await b.hears(1);
  a.partner.setKeys(keys(`8 ${OTHER}`));
  a.partner.tell('pppoe0', message(1));
  await b.hears(2);
  t.strictSame(a.partner.refused(), {});
});

t.test(
  'partner › a datagram said to a previous life of ours is not believed in this one',
  async (t) => {
    const port = await freePort();
    const a = await end(t, 0, port, keys(`7 ${KEY}`));
    const b = await end(t, 1, port, keys(`7 ${KEY}`));
    a.partner.tell('pppoe0', message(1));
    b.partner.tell('pppoe0', message(2));
    await a.hears(1);
    await b.hears(1);
    a.partner.close();
    // In A's place: what B tells it is recorded.
    const tap = await wiretap(t, '127.0.0.1', port);
    const recording = datagram(tap);
    b.partner.tell('pppoe0', { ...message(2), yielding: true });
    const recorded = await recording;
    await new Promise<void>((resolve) => tap.close(() => resolve()));
    b.partner.close();

    const again = await end(t, 0, port, keys(`7 ${KEY}`));
    const played = await wiretap(t, '127.0.0.2', port);
    again.partner.tell('pppoe0', message(1));
    await datagram(played);
    const answer = datagram(played);
    for (let i = 0; i < 2; i++) played.send(recorded, port, '127.0.0.1');
    await answer;
    const refused = (): Readonly<Record<string, number>> =>
      again.partner.counters('pppoe0').datagramsRefused;
    while (refused()['hello'] !== 2) await new Promise<void>((resolve) => setImmediate(resolve));
    t.strictSame(refused(), { hello: 2 });
    t.equal(again.heard.length, 0, 'it echoes a nonce of the previous life');
    t.equal(again.partner.counters('pppoe0').datagramsOut, 2, 'it is answered once');
  },
);

t.test('partner › a datagram played back is not believed twice', async (t) => {
  const port = await freePort();
  const a = await end(t, 0, port, keys(`7 ${KEY}`));
  const tap = await wiretap(t, '127.0.0.2', port);
  // B speaks from a socket of the test's, so that what it says can be said again.
  const b = await end(t, 1, port, keys(`7 ${KEY}`));
  t.match(b.partner.trouble(), /EADDRINUSE/);
  const first = datagram(tap);
  a.partner.tell('pppoe0', message(1));
  const { header } = authentic(await first);
  const said = encodePartner(
    { ...header, sender: 2, receiver: 1, nonce: new Uint8Array(8).fill(9), echo: header.nonce },
    { message: message(2) },
    keys(`7 ${KEY}`).byId.get(7) ?? new Uint8Array(),
    hmac,
  );
  for (let i = 0; i < 5; i++) tap.send(said, port, '127.0.0.1');
  await a.hears(1);
  // Told by name: the last of the five has been looked at when a hello after it is answered.
  const stranger = encodePartner(
    { ...header, sender: 2, receiver: 1, nonce: new Uint8Array(8).fill(8), echo: NO_NONCE },
    { message: message(2) },
    keys(`7 ${KEY}`).byId.get(7) ?? new Uint8Array(),
    hmac,
  );
  const answer = datagram(tap);
  tap.send(stranger, port, '127.0.0.1');
  await answer;
  t.equal(a.heard.length, 1);
  t.strictSame(a.partner.counters('pppoe0').datagramsRefused, { replayed: 4, hello: 1 });
});

t.test('partner › octets that are no datagram of ours change nothing', async (t) => {
  const port = await freePort();
  const a = await end(t, 0, port, keys(`7 ${KEY}`));
  const b = await end(t, 1, port, keys(`7 ${KEY}`));
  const stranger = await wiretap(t, '127.0.0.3', 0);
  await new Promise<void>((resolve) => stranger.send('hello', port, '127.0.0.1', () => resolve()));
  b.partner.close();
  const forger = await wiretap(t, '127.0.0.2', port);
  for (const octets of ['', 'x', 'ppth', 'p'.repeat(9000)]) forger.send(octets, port, '127.0.0.1');
  const counted = (): number => a.partner.refused()['malformed'] ?? 0;
  while (counted() < 4) await new Promise<void>((resolve) => setImmediate(resolve));
  t.strictSame(a.partner.refused(), { stranger: 1, malformed: 4 });
  t.equal(a.heard.length, 0);
  t.equal(a.partner.trouble(), undefined);
});

t.test('partner › a session that only one router has is refused by its name', async (t) => {
  const port = await freePort();
  const a = await end(t, 0, port, keys(`7 ${KEY}`));
  const b = await end(t, 1, port, keys(`7 ${KEY}`), 'pppoe9');
  b.partner.tell('pppoe9', message(2));
  const refused = (): boolean => a.partner.refused()['unknown-session'] === 1;
  while (!refused()) await new Promise<void>((resolve) => setImmediate(resolve));
  t.match(a.lines.join('\n'), /session pppoe9 is not configured here/);
  t.throws(() => a.partner.tell('pppoe9', message(1)), /no conversation/);
});

t.test(
  'partner › after a silence the nonce is new, and the partner is still believed',
  async (t) => {
    const port = await freePort();
    const a = await end(t, 0, port, keys(`7 ${KEY}`));
    const b = await end(t, 1, port, keys(`7 ${KEY}`));
    a.partner.tell('pppoe0', message(1));
    b.partner.tell('pppoe0', message(2));
    await a.hears(1);
    await b.hears(1);
    a.now = 6000;
    a.partner.tell('pppoe0', message(1));
    await b.hears(1);
    // B's next echoes the old nonce: a hello, which is answered; the one after that is believed.
    b.partner.tell('pppoe0', message(2));
    await b.hears(2);
    const before = a.heard.length;
    b.partner.tell('pppoe0', message(2));
    await a.hears(before + 1);
    t.ok((a.partner.counters('pppoe0').datagramsRefused['hello'] ?? 0) >= 1);
  },
);

t.test('partner › without a key the channel is off, and says so', async (t) => {
  const port = await freePort();
  const a = await end(t, 0, port, undefined);
  a.partner.tell('pppoe0', message(1));
  t.equal(a.partner.trouble(), 'no key');
  t.equal(a.partner.counters('pppoe0').datagramsOut, 0);
  t.strictSame(a.lines, [
    'error: partner: channel off: no key_file; pppthingctl keygen makes a key',
  ]);
});

t.test('partner › an address that is not ours is reported, and no error escapes', async (t) => {
  const lines: string[] = [];
  const partner = await Partner.open({
    localAddress: '192.0.2.1',
    address: '192.0.2.2',
    port: 8863,
    routerId: 1,
    partnerId: 2,
    keys: keys(`7 ${KEY}`),
    sessions: [{ name: 'pppoe0', timeout: 5000, settings: sessionSettings('pppoe0') }],
    log: new Log(
      'info',
      (line) => lines.push(line),
      () => 0,
    ),
    random,
    now: () => 0 as Instant,
    heard: () => t.fail('nothing can be heard'),
  });
  partner.tell('pppoe0', message(1));
  t.match(partner.trouble(), /EADDRNOTAVAIL/);
  t.match(lines[0], /bind 192\.0\.2\.1:8863: EADDRNOTAVAIL: no interface has this address/);
  partner.close();
});

t.test(
  'keys › every mistake in the file is reported with its line, and no digit of a key',
  async (t) => {
    const problems = (text: string, active?: number): string[] => {
      try {
        keys(text, active);
        return [];
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        return error.problems.map(({ line, message }) => `${line ?? '-'} ${message}`);
      }
    };
    t.strictSame(problems(`# a comment\n\n7 ${KEY}\n256 ${KEY}\n8 abc\n9 abcd\n7 ${OTHER}\nx`), [
      '4 expected a number from 0 to 255, a space, and whole octets in hexadecimal',
      '5 expected a number from 0 to 255, a space, and whole octets in hexadecimal',
      '6 key 9: expected 32 to 64 octets, found 2',
      '7 key 7: is in the file twice',
      '8 expected a number from 0 to 255, a space, and whole octets in hexadecimal',
    ]);
    t.strictSame(problems(''), ['- expected a key; pppthingctl keygen makes one']);
    t.strictSame(problems(`7 ${KEY}`, 8), ['- expected the active key 8']);
    t.equal(keys(`9 ${KEY}\n7 ${OTHER}`).active, 9, 'the first, unless another is named');
    t.equal(keys(`9 ${KEY}\n7 ${OTHER}`, 7).active, 7);
  },
);
