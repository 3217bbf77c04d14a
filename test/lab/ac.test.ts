/** The Access Concentrator: a good client gets a session, a bad one is told on, and its tempers are what they claim. */
import t from 'tap';
import { AccessConcentrator } from '@ppp-thing/lab/line/ac';
import { encodeEcho } from '@ppp-thing/lab/line/icmp';
import { printable, utf8 } from '@ppp-thing/protocol/printable';
import { decodeSession, findTag, TAG } from '@ppp-thing/protocol/wire/pppoe';
import { BROADCAST, decodeEthernet } from '@ppp-thing/protocol/wire/ethernet';
import type { PapPacket } from '@ppp-thing/protocol/wire/auth';
import { PROTOCOL, type LcpPacket } from '@ppp-thing/protocol/wire/ppp';
import { millis } from '@ppp-thing/protocol/time';
import { Client, config, MAGIC, PASSWORD, USER } from './ac-client.ts';
import { ipv4, mac, PUBLIC } from './addresses.ts';

const NOTHING = new Uint8Array();

function client(...args: Parameters<typeof config>): Client {
  return new Client(new AccessConcentrator(config(...args)));
}

/** A client whose session is up, with nothing left to take. */
function dialled(...args: Parameters<typeof config>): Client {
  const it = client(...args);
  it.dial();
  it.take();
  return it;
}

const kinds = (it: Client): string[] => it.take().map(({ kind }) => kind);

const echoRequest = (magic: number): LcpPacket => ({
  code: 'Echo-Request',
  identifier: 9,
  magic,
  data: NOTHING,
});

t.test(
  'a client that follows the RFCs gets a session, and nothing is held against it',
  async (t) => {
    const it = client();
    it.dial();
    const heard = it.take();
    t.same(it.address, PUBLIC);
    const up = heard.find(({ kind }) => kind === 'up');
    t.same(up, { kind: 'up', sessionId: it.sessionId, dialMs: 0 });
    t.same(
      heard.filter(({ kind }) => kind === 'violation'),
      [],
    );
    t.same([...it.ac.sessions], [[it.sessionId, true]]);
    t.equal(it.ac.negotiations, 1);
  },
);

t.test('PAP and no authentication serve as well', async (t) => {
  const pap = client({ auth: 'PAP' });
  pap.padr(pap.padi());
  pap.establish();
  const packet: PapPacket = {
    code: 'Authenticate-Request',
    identifier: 1,
    peerId: utf8(USER),
    password: utf8(PASSWORD),
  };
  pap.ppp({ protocol: 'PAP', packet });
  pap.network();
  t.ok(kinds(pap).includes('up'));

  const open = client({ auth: 'none' });
  open.padr(open.padi());
  open.establish();
  open.network();
  t.ok(kinds(open).includes('up'));
});

t.test('a wrong password ends the session with Failure and PADT', async (t) => {
  const it = client();
  it.padr(it.padi());
  it.establish();
  it.chap('wrong');
  const heard = it.take();
  t.ok(Client.codes(heard).includes('CHAP Failure'));
  t.ok(Client.codes(heard).includes('PADT'));
  t.match(heard.at(-1), { kind: 'closed', reason: `authentication of ${USER} failed` });
  t.equal(it.ac.sessions.size, 0);
});

t.test('pings reach a client that is up, and its answers are counted', async (t) => {
  const it = dialled();
  it.ping(42);
  it.answerPings(it.take());
  t.same(it.take(), [{ kind: 'pong', sessionId: it.sessionId, sequence: 42 }]);
  it.ping(43);
  it.answerPings(it.take(), ipv4('203.0.113.99'));
  t.match(it.violations(), [/not the address it was given/]);
});

t.test('a second session of the same MAC address is', async (t) => {
  t.test('refused while the first lives, with SESSION_ID 0 and a reason', async (t) => {
    const it = dialled();
    const { sessionId } = it;
    const pads = it.padr(it.padi());
    t.equal(pads?.sessionId, 0);
    const error = pads === undefined ? undefined : findTag(pads, TAG['Generic-Error']);
    t.match(printable(error?.value ?? NOTHING), /session limit exceeded/);
    t.same([...it.ac.sessions.keys()], [sessionId]);
  });
  t.test('granted in place of the first', async (t) => {
    const it = dialled({}, { second: 'replace' });
    const first = it.sessionId;
    it.padr(it.padi());
    const { discovery } = Client.packets(it.take());
    t.ok(discovery.some(({ code, sessionId }) => code === 'PADT' && sessionId === first));
    t.same([...it.ac.sessions.keys()], [it.sessionId]);
  });
  t.test('granted beside the first, with another address', async (t) => {
    const it = dialled({}, { second: 'allow' });
    const first = it.address;
    it.dial();
    t.equal(it.ac.sessions.size, 2);
    t.notSame(it.address, first);
  });
});

t.test('a second session of the same user from another MAC address is refused', async (t) => {
  const first = dialled();
  const second = new Client(first.ac, mac('02:00:5e:10:53:99'));
  second.dial();
  t.ok(kinds(second).includes('closed'));
  t.same([...first.ac.sessions.keys()], [first.sessionId]);
});

t.test('Echo-Requests that nobody answers cost the session', async (t) => {
  const it = dialled();
  it.pass(39_999);
  t.equal(it.ac.sessions.size, 1, 'three unanswered, the fourth is not due');
  it.pass(1);
  t.match(it.take().at(-1), { kind: 'closed', reason: '3 Echo-Requests were not answered' });
});

t.test('Echo-Replies with the right Magic-Number keep the session', async (t) => {
  const it = dialled();
  for (let i = 0; i < 20; i++) {
    it.pass(10_000);
    for (const heard of Client.packets(it.take()).ppp) {
      if (heard.protocol !== 'LCP' || heard.packet.code !== 'Echo-Request') continue;
      const packet = { ...heard.packet, code: 'Echo-Reply', magic: MAGIC } as const;
      it.ppp({ protocol: 'LCP', packet });
    }
  }
  t.equal(it.ac.sessions.size, 1);
  t.same(it.violations(), []);
});

t.test('data keeps the session where data counts, and does not where it does not', async (t) => {
  for (const [dataCheck, expected] of [
    [true, 1],
    [false, 0],
  ] as const) {
    const it = dialled({ echo: { interval: millis(10_000), failures: 3, dataCheck } });
    for (let i = 0; i < 10; i++) {
      it.pass(9000);
      it.ping(i);
      it.answerPings(it.take());
    }
    t.equal(it.ac.sessions.size, expected, `dataCheck ${dataCheck}`);
  }
});

t.test('what no client may do is a violation', async (t) => {
  const service = { type: TAG['Service-Name'], value: NOTHING };
  const cases: readonly [string, RegExp, (it: Client) => void][] = [
    [
      'a PADI without Service-Name',
      /0 Service-Name/,
      (it) => it.discovery({ code: 'PADI', sessionId: 0, tags: [] }, BROADCAST),
    ],
    [
      'a PADI with two',
      /2 Service-Name/,
      (it) => it.discovery({ code: 'PADI', sessionId: 0, tags: [service, service] }, BROADCAST),
    ],
    [
      'a PADI to one station',
      /to one station/,
      (it) => it.discovery({ code: 'PADI', sessionId: 0, tags: [service] }),
    ],
    [
      'a PADI with a SESSION_ID',
      /SESSION_ID 7/,
      (it) => it.discovery({ code: 'PADI', sessionId: 7, tags: [service] }, BROADCAST),
    ],
    [
      'a PADI without room for a relay',
      /PADI of/,
      (it) =>
        it.discovery(
          {
            code: 'PADI',
            sessionId: 0,
            tags: [service, { type: TAG['Host-Uniq'], value: new Uint8Array(1480) }],
          },
          BROADCAST,
        ),
    ],
    [
      'a broadcast PADR',
      /to broadcast/,
      (it) => it.discovery({ code: 'PADR', sessionId: 0, tags: [service] }, BROADCAST),
    ],
    [
      'a PADR without the cookie',
      /AC-Cookie/,
      (it) => it.discovery({ code: 'PADR', sessionId: 0, tags: [service] }),
    ],
    [
      'a PADS',
      /PADS from a Host/,
      (it) => it.discovery({ code: 'PADS', sessionId: 0, tags: [service] }),
    ],
    ['a second LCP negotiation', /second LCP negotiation/, (it) => it.establish(undefined, 2)],
    ['a second IPCP negotiation', /second IPCP negotiation/, (it) => it.network(PUBLIC)],
    [
      'an Echo-Request with a Magic-Number of its own',
      /Magic-Number/,
      (it) => it.ppp({ protocol: 'LCP', packet: echoRequest(MAGIC + 1) }),
    ],
    [
      'an Echo-Request with none',
      /Magic-Number/,
      (it) => it.ppp({ protocol: 'LCP', packet: echoRequest(0) }),
    ],
    ['a packet cut short', /malformed packet/, (it) => it.data(0xc021, Uint8Array.of(1, 1, 0, 9))],
    [
      'an IPv4 packet cut short',
      /malformed packet/,
      (it) => it.data(0x0021, Uint8Array.of(0x45, 0, 0)),
    ],
  ];
  for (const [name, expected, misbehave] of cases) {
    const it = dialled();
    misbehave(it);
    t.match(it.violations(), [expected], name);
  }
});

t.test(
  'a Configure-Request again is no second negotiation until the client sends data',
  async (t) => {
    for (const protocol of ['LCP', 'IPCP'] as const) {
      const it = dialled();
      it.repeat(protocol);
      t.same(it.violations(), [], protocol);
      const moved = dialled();
      moved.ping(1);
      moved.answerPings(moved.take());
      moved.repeat(protocol);
      t.match(moved.violations(), [`a second ${protocol} negotiation`], protocol);
    }
  },
);

t.test('what the client sends is forwarded, and what is for it comes as data', async (t) => {
  const it = dialled();
  const packet = encodeEcho({
    kind: 'request',
    source: it.address,
    destination: ipv4('198.51.100.1'),
    identifier: 7,
    sequence: 1,
  });
  it.data(PROTOCOL.IPv4, packet);
  t.same(it.take(), [{ kind: 'packet', packet }]);
  it.forward(packet);
  const [sent] = it.take();
  const { payload } = decodeEthernet(sent?.kind === 'send' ? sent.frame : NOTHING);
  t.match(decodeSession(payload), { sessionId: it.sessionId, protocol: PROTOCOL.IPv4, packet });
});

t.test('what comes before its phase is a violation', async (t) => {
  const it = client();
  it.padr(it.padi());
  it.take();
  const ipcp = { code: 'Configure-Request', identifier: 1, options: [] } as const;
  it.ppp({ protocol: 'LCP', packet: echoRequest(0) });
  t.match(it.violations(), [/Echo-Request in phase Establish/]);
  it.ppp({ protocol: 'IPCP', packet: ipcp });
  t.match(it.violations(), [/IPCP in phase Establish/]);
});

t.test('options that RFC 2516 forbids are refused and told on', async (t) => {
  const it = client();
  it.padr(it.padi());
  it.take();
  it.establish([
    { kind: 'mru', mru: 1500 },
    { kind: 'unknown', type: 8, raw: Uint8Array.of(8, 2) },
  ]);
  const heard = it.take();
  const texts = heard.flatMap((output) => (output.kind === 'violation' ? [output.text] : []));
  t.match(texts, [/MRU of 1500, 1492 was agreed/, /Address-and-Control-Field-Compression/]);
  t.ok(Client.codes(heard).includes('LCP Configure-Reject'));
});

t.test('a PADT from the client is reported, and ends the session', async (t) => {
  const it = dialled();
  it.discovery({ code: 'PADT', sessionId: it.sessionId, tags: [] });
  t.same(kinds(it), ['padt', 'closed']);
  t.equal(it.ac.sessions.size, 0);
});

t.test('a PADT for another’s session does nothing', async (t) => {
  const it = dialled();
  const other = new Client(it.ac, mac('02:00:5e:10:53:99'));
  other.discovery({ code: 'PADT', sessionId: it.sessionId, tags: [] });
  t.same(kinds(other), ['note']);
  t.equal(it.ac.sessions.size, 1);
});

t.test('a frame of a session it does not know is answered with PADT, or not at all', async (t) => {
  for (const unknown of ['padt', 'ignore'] as const) {
    const it = dialled({}, { unknown });
    it.command('forget');
    it.take();
    it.ppp({ protocol: 'LCP', packet: echoRequest(MAGIC) });
    const { discovery, ppp } = Client.packets(it.take());
    t.equal(ppp.length, 0);
    t.equal(discovery.length, unknown === 'padt' ? 1 : 0, unknown);
  }
});

t.test(
  'an AC that locks out is silent after a short session, twice as long after the next',
  async (t) => {
    const it = client({}, { lockoutMs: 5000 });
    const hangUp = (): void => it.discovery({ code: 'PADT', sessionId: it.sessionId, tags: [] });
    it.dial();
    hangUp();
    it.take();
    t.equal(it.padi(), undefined);
    it.pass(5000);
    it.take();
    it.dial();
    t.equal(it.ac.sessions.size, 1);
    hangUp();
    it.pass(5000);
    it.take();
    t.equal(it.padi(), undefined, 'still locked out');
    it.pass(5000);
    it.take();
    t.not(it.padi(), undefined);
  },
);

t.test('an AC that lives a minute with a client holds nothing against it', async (t) => {
  const it = client(
    { echo: { interval: millis(90_000), failures: 3, dataCheck: false } },
    { lockoutMs: 5000 },
  );
  it.dial();
  it.pass(60_000);
  it.discovery({ code: 'PADT', sessionId: it.sessionId, tags: [] });
  it.take();
  t.not(it.padi(), undefined);
});

t.test('an AC without offers hears a PADI and says nothing', async (t) => {
  const it = client({}, { offers: false });
  t.equal(it.padi(), undefined);
  t.same(kinds(it), ['note']);
  it.temper({ offers: true });
  t.not(it.padi(), undefined, 'and may change its mind');
});

t.test('a slow AC says the same, later', async (t) => {
  const it = client({}, { slowMs: 200 });
  t.equal(it.padi(), undefined);
  it.pass(199);
  t.same(Client.packets(it.take()).discovery, []);
  it.pass(1);
  t.same(
    Client.packets(it.take()).discovery.map(({ code }) => code),
    ['PADO'],
  );
});

t.test(
  'an AC that loses its PPP state begins LCP anew, and that is no violation of ours',
  async (t) => {
    const it = dialled();
    it.command('renegotiate');
    it.ppp({ protocol: 'LCP', packet: echoRequest(MAGIC) });
    it.establish();
    it.chap();
    it.network(PUBLIC);
    t.same(it.violations(), []);
    t.equal(it.ac.negotiations, 2);
    t.same([...it.ac.sessions], [[it.sessionId, true]]);
  },
);

t.test('an AC may challenge again at any time', async (t) => {
  const it = dialled();
  it.command('challenge');
  it.chap();
  t.ok(Client.codes(it.take()).includes('CHAP Success'));
  t.same([...it.ac.sessions], [[it.sessionId, true]]);

  const liar = dialled();
  liar.command('challenge');
  liar.chap('wrong');
  t.equal(liar.ac.sessions.size, 0);
});

t.test('a client that dials again gets the address it asks for, if it is free', async (t) => {
  const it = client();
  it.padr(it.padi());
  it.establish();
  it.chap();
  it.network(ipv4('203.0.113.9'));
  t.same(it.address, ipv4('203.0.113.9'));
  t.ok(kinds(it).includes('up'));
});

t.test(
  'a Configure-Request that stays unanswered is sent ten times, and then no more',
  async (t) => {
    const it = client();
    it.padr(it.padi());
    it.take();
    it.pass(60_000);
    const heard = it.take();
    const requests = Client.codes(heard).filter((code) => code === 'LCP Configure-Request');
    t.equal(requests.length, 9, 'besides the first');
    t.match(heard.at(-1), { kind: 'closed' });
    t.equal(it.ac.deadline(), undefined);
  },
);

t.test('an AC that takes its time begins LCP after it, or when the client speaks', async (t) => {
  const quiet = client({ pppDelay: millis(20) });
  quiet.padr(quiet.padi());
  quiet.pass(19);
  t.notOk(Client.codes(quiet.take()).includes('LCP Configure-Request'));
  quiet.pass(1);
  t.same(Client.codes(quiet.take()), ['LCP Configure-Request']);

  const eager = client({ pppDelay: millis(20) });
  eager.padr(eager.padi());
  eager.take();
  eager.establish();
  t.same(Client.codes(eager.take()), ['LCP Configure-Request', 'LCP Configure-Ack']);
});
