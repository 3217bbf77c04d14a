/** Dialling: from PADI to an opened session, and everything that can stop it on the way. */
import t from 'tap';
import { utf8 } from '@ppp-thing/protocol/printable';
import { TAG, type Tag } from '@ppp-thing/protocol/wire/pppoe';
import type { Event } from '@ppp-thing/protocol/engine/events';
import type { LinkConfig } from '@ppp-thing/protocol/engine/session-config';
import { LinkPair, name } from './link-pair.ts';
import {
  AC_MAC,
  AC_MAGIC,
  ADDRESS,
  at,
  DNS1,
  DNS2,
  OTHER_MAC,
  OUR_MAC,
  PEER,
  ScriptedAc,
  SESSION_ID,
  WALL_CLOCK,
} from './scripted-ac.ts';

void t.test('link › dial › a plain AC is reached in one exchange of each kind', (t) => {
  const pair = new LinkPair().up();
  t.same(pair.sent.map(name), [
    'PADI',
    'PADR',
    'LCP Configure-Request',
    'LCP Configure-Ack',
    'CHAP Response',
    'IPCP Configure-Request',
    'IPCP Configure-Ack',
    'IPCP Configure-Request',
  ]);
  t.match(pair.facts, {
    key: { sessionId: SESSION_ID, acMac: AC_MAC, ourMac: OUR_MAC },
    acName: utf8('bras'),
    theirMagic: AC_MAGIC,
    ourMru: 1492,
    theirMru: 1492,
    maxPayload: 1492,
    auth: 'CHAP-MD5',
    ourAddress: ADDRESS,
    theirAddress: PEER,
    dns: [DNS1, DNS2],
    startedAt: WALL_CLOCK / 1000 + 1,
  });
  t.not(pair.facts.ourMagic, 0);
  t.notOk('interfaceIds' in pair.facts);
  t.match(pair.link.status(), { phase: 'Network', attempts: 0, ac: { name: 'bras', mac: AC_MAC } });
  t.end();
});

void t.test(
  'link › dial › the kernel knows the session and the gate is open before our first PPP packet',
  (t) => {
    const kinds = new LinkPair().up().outputs.map(({ kind }) => kind);
    const [attach, gate, ppp] = ['attach', 'gate', 'send-ppp'].map((kind) =>
      kinds.indexOf(kind as 'gate'),
    );
    t.ok(attach !== -1 && attach! < gate! && gate! < ppp!);
    t.end();
  },
);

void t.test('link › dial › every phase is one line at info', (t) => {
  const pair = new LinkPair().up();
  const lines = pair.notes
    .filter(({ level, machine, to }) => level === 'info' && machine === 'link' && to !== undefined)
    .map(({ from, to, on }) => `${from} -> ${to} on ${on}`);
  t.same(lines, [
    'Dead -> Discovery on dial',
    'Discovery -> Establish on PADS',
    'Establish -> Authenticate on LCP Opened',
    'Authenticate -> Network on CHAP Success',
  ]);
  t.end();
});

void t.test('link › dial › an AC whose PPP starts 400 ms late costs less than a second', (t) => {
  const pair = new LinkPair({}, { pppDelay: 400 }).dial().run(950);
  t.equal(pair.outcomes.filter(({ kind }) => kind === 'opened').length, 1);
  t.end();
});

void t.test(
  'link › dial › P9: without an AC, PADI goes on with doubling intervals, and the status says so',
  (t) => {
    const pair = new LinkPair();
    pair.deaf();
    pair.dial().run(400_000);
    const times = pair.discoverySent('PADI').map(({ at }) => at);
    const spans = times.slice(1).map((time, i) => (time - (times[i] ?? 0)) / 1000);
    for (const [i, span] of spans.entries()) {
      const base = Math.min(64, 2 ** i);
      t.ok(span >= base && span <= base * 1.25, `${span} s after PADI ${i + 1}`);
    }
    t.equal(pair.sent.length, times.length, 'nothing else is sent');
    t.match(pair.link.status(), {
      phase: 'Discovery',
      lastError: /no PADO .* after \d+ PADI in \d+ s/,
    });
    t.same(pair.closed, [], 'no attempt has failed yet');
    t.end();
  },
);

void t.test(
  'link › dial › P9: a PADR is repeated; without a PADS the dial has failed, and the next ones wait ever longer',
  (t) => {
    const pair = new LinkPair();
    pair.intercept = (sent) =>
      sent.kind === 'send-discovery' && sent.packet.code === 'PADR' ? [] : undefined;
    pair.dial().run(9000);
    t.same(pair.sent.map(name).slice(0, 4), ['PADI', 'PADR', 'PADR', 'PADR']);
    t.match(pair.closed, [/^no PADS from bras .* after 3 PADR$/]);
    t.match(pair.link.status(), { phase: 'Wait', attempts: 1, lastError: /no PADS from bras/ });
    pair.run(591_000);
    const padrs = pair.discoverySent('PADR').length;
    t.ok(padrs <= 30, `${padrs} PADRs in ten minutes`);
    pair.hearing();
    pair.run(400_000);
    t.match(pair.outcomes.at(-1), { kind: 'opened' }, 'and the AC may recover');
    t.end();
  },
);

void t.test('link › dial › a PADS that comes after the dial has failed is taken', (t) => {
  for (const late of [8, 12, 33]) {
    const pair = new LinkPair();
    pair.latency = 0;
    pair.intercept = (sent) => {
      if (sent.kind !== 'send-discovery' || sent.packet.code !== 'PADR') return undefined;
      if (pair.discoverySent('PADR').length > 1) return [];
      for (const event of pair.ac.answer(sent, at(pair.now + late * 1000)))
        pair.line.push({ at: at(pair.now + late * 1000), event });
      return [];
    };
    pair.dial().run(60_000);
    t.match(pair.outcomes.at(-1), { kind: 'opened' }, `${late} s`);
    t.same(pair.discoverySent('PADT'), [], 'no session is given back');
  }
  t.end();
});

void t.test(
  'link › dial › P6: an error tag in the PADS fails the attempt with the AC’s words, escaped, and waits',
  (t) => {
    for (const type of [TAG['Service-Name-Error'], TAG['AC-System-Error'], TAG['Generic-Error']]) {
      const pair = new LinkPair();
      pair.intercept = (sent, ac) =>
        sent.kind === 'send-discovery' && sent.packet.code === 'PADR'
          ? [ac.confirm(sent.packet, 0, [{ type, value: utf8('session limit\n\u0007') }])]
          : undefined;
      pair.dial().run(100);
      t.match(pair.closed, [/^bras refused: \S+Error: session limit\\x0a\\x07$/]);
      t.match(pair.link.status(), { phase: 'Wait', attempts: 1 });
      t.notOk(pair.outputs.some(({ kind }) => kind === 'attach'));
    }
    t.end();
  },
);

void t.test(
  'link › dial › a refusal is asked again soon, then ever later, at most every twenty minutes',
  (t) => {
    const pair = new LinkPair();
    pair.intercept = (sent, ac) =>
      sent.kind === 'send-discovery' && sent.packet.code === 'PADR'
        ? [ac.confirm(sent.packet, 0, [{ type: TAG['Generic-Error'], value: utf8('busy') }])]
        : undefined;
    pair.dial().run(3_600_000);
    const times = pair.discoverySent('PADI').map(({ at }) => at);
    const spans = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    t.ok((spans[0] ?? 0) < 1500, 'the first is prompt');
    t.ok(
      spans.every((span, i) => i === 0 || span >= (spans[i - 1] ?? 0) * 0.8 || span >= 1_199_000),
    );
    t.ok(spans.every((span) => span <= 1_201_000));
    t.ok(times.length < 25, `${times.length} dials in an hour`);
    t.end();
  },
);

void t.test('link › dial › it may be asked for again and again without a second PADI', (t) => {
  const pair = new LinkPair();
  pair.deaf();
  pair.dial().dial().dial();
  t.equal(pair.discoverySent('PADI').length, 1);
  t.end();
});

void t.test(
  'link › dial › an AC that falls silent after PADS is told PADT, and dialled again',
  (t) => {
    const pair = new LinkPair({}, { pppDelay: 1e9 }).dial().run(21_300);
    t.match(pair.closed, [/no LCP agreement/]);
    t.same(pair.lcpSent.length, 10);
    t.ok(pair.outputs.some(({ kind }) => kind === 'detach'));

    t.end();
  },
);

void t.test('link › dial › a CHAP that never begins ends after 30 s', (t) => {
  const pair = new LinkPair();
  pair.intercept = (sent) => {
    if (name(sent) !== 'LCP Configure-Ack') return undefined;
    pair.deaf();
    return [];
  };
  pair.dial().run(500);
  t.equal(pair.link.status().phase, 'Authenticate');
  pair.run(32_000);
  t.match(pair.closed[0], /no agreement with the AC in phase Authenticate after 30 s/);
  t.end();
});

void t.test('link › dial › a second PADS for a repeated PADR is given back with a PADT', (t) => {
  const pair = new LinkPair().up();
  const padr = pair.discoverySent('PADR')[0]?.packet;
  if (padr === undefined) throw new Error('no PADR');
  pair.feed(pair.ac.confirm(padr, SESSION_ID));
  t.equal(pair.discoverySent('PADT').length, 0, 'a copy of the first is no session');
  pair.feed(pair.ac.confirm(padr, 0x4321));
  t.match(pair.discoverySent('PADT'), [{ packet: { sessionId: 0x4321 } }]);
  t.same(pair.closed, []);
  t.end();
});

void t.test('link › dial › what failed before a session that served is forgotten with it', (t) => {
  const pair = new LinkPair();
  const refuse: LinkPair['intercept'] = (sent, ac) =>
    sent.kind === 'send-discovery' && sent.packet.code === 'PADR'
      ? [ac.confirm(sent.packet, 0, [{ type: TAG['Generic-Error'], value: utf8('not now') }])]
      : undefined;
  pair.intercept = refuse;
  pair.dial().run(30_000);
  pair.hearing();
  pair.run(300_000);
  t.match(pair.outcomes.at(-1), { kind: 'opened' });
  // The partner goes on with it; later the line is ours again.
  pair.suspend().forget();
  pair.intercept = refuse;
  pair.dial().run(5000);
  t.equal(pair.discoverySent('PADI').length, 2, 'the second after a second');
  t.end();
});

void t.test('link › dial › a kernel that refuses the session costs a PADT and a back-off', (t) => {
  const pair = new LinkPair().dial().run(12).forget();
  pair.feed({ kind: 'failed', action: 'attach', code: 'EBUSY', message: 'device busy' });
  t.same(pair.closed, ['attach session: EBUSY: device busy']);
  t.same(pair.sent.map(name), ['PADT']);
  t.match(pair.link.status(), { phase: 'Wait' });
  t.end();
});

void t.test('link › suspend › stops a dial in any phase, and sends nothing ever after', (t) => {
  for (const span of [0, 3, 8, 13, 18, 23, 28, 33, 40, 2000]) {
    const pair = new LinkPair().dial().run(span).forget();
    pair.suspend().run(100_000);
    t.same(
      pair.outputs.filter(({ kind }) => kind !== 'note'),
      [],
      `after ${span} ms`,
    );
    t.equal(pair.link.deadline(), undefined);
    t.equal(pair.link.status().phase, 'Dead');
  }
  t.end();
});

void t.test('link › carrier › its return during discovery sends a PADI at once', (t) => {
  const pair = new LinkPair();
  pair.deaf();
  pair.dial().run(100_000).forget();
  pair.feed({ kind: 'carrier', up: false }).feed({ kind: 'carrier', up: true });
  t.equal(pair.discoverySent('PADI').length, 1);
  t.equal(pair.discoverySent('PADI')[0]?.at, at(101_000));
  t.end();
});

// From 3 s on the AC's own repetition crosses our Ack, and reaches us in Opened.

for (const rtt of [0, 20, 280, 310, 400, 800, 1500, 2800, 3010, 4000]) {
  for (const pppDelay of [0, 1000]) {
    void t.test(
      `link › dial › ${rtt} ms of round trip, PPP ${pppDelay} ms after the PADS: a strict AC opens once (RFC 1661 §4.6)`,
      (t) => {
        const pair = new LinkPair({}, { pppDelay });
        pair.latency = rtt / 2;
        pair.latencyToAc = rtt / 2;
        pair.dial().run(30_000);
        t.same(pair.ac.openings, { lcp: 1, ipcp: 1 });
        t.equal(pair.outcomes.filter(({ kind }) => kind === 'opened').length, 1);
        const requests = pair.lcpSent.filter(({ code }) => code === 'Configure-Request').length;
        t.ok(requests <= (pppDelay === 0 ? 1 : 4), `${requests} Configure-Requests`);
        t.equal(pair.discoverySent('PADR').length, 1, 'and one PADR');
        t.end();
      },
    );
  }
}

void t.test(
  'link › dial › an AC that begins to listen late is answered at once, not at the next repetition',
  (t) => {
    for (let pppDelay = 10; pppDelay < 1500; pppDelay += 70) {
      const pair = new LinkPair({}, { pppDelay });
      pair.latency = 1;
      pair.latencyToAc = 1;
      pair.dial();
      while (pair.outcomes.length === 0) pair.run(1);
      const span = pair.now - 1000 - pppDelay;
      t.ok(span < 30, `PPP after ${pppDelay} ms: opened ${span} ms later`);
    }
    t.end();
  },
);

/** A second AC on the line, whose offers come `late` ms after the first one's; PADRs go to whichever was chosen. */
function twoAcs(pair: LinkPair, first: 'mute' | 'refuses' | 'no PPP', late: number): void {
  const second = new ScriptedAc({ name: 'spare' });
  const fromSecond = (event: Event): Event =>
    event.kind === 'discovery' ? { ...event, source: OTHER_MAC } : event;
  let isOurs = false;
  pair.intercept = (sent, ac) => {
    if (name(sent) === 'PADI') {
      const offer = second.answer(sent, pair.now).map(fromSecond);
      for (const event of offer) pair.line.push({ at: at(pair.now + pair.latency + late), event });
      return undefined;
    }
    if (sent.kind === 'send-discovery' && sent.packet.code === 'PADR') {
      isOurs = sent.destination === OTHER_MAC || sent.destination[5] === OTHER_MAC[5];
      if (isOurs) return second.answer(sent, pair.now).map(fromSecond);
      if (first === 'no PPP') return [ac.confirm(sent.packet)];
      if (first === 'mute') return [];
      const error = { type: TAG['Generic-Error'], value: utf8('no more sessions') };
      return [ac.confirm(sent.packet, 0, [error])];
    }
    return isOurs ? second.answer(sent, pair.now) : [];
  };
}

for (const [first, within] of [
  ['mute', 10_000],
  ['refuses', 3000],
  ['no PPP', 30_000],
] as const) {
  void t.test(`link › dial › of two ACs the quick one is ${first}: the other one is asked`, (t) => {
    const pair = new LinkPair();
    twoAcs(pair, first, 20);
    pair.dial().run(within);
    t.match(pair.outcomes.at(-1), { kind: 'opened', facts: { key: { acMac: OTHER_MAC } } });
    pair.run(61_000).padt(SESSION_ID, OTHER_MAC).forget().dial().run(3000);
    t.match(pair.outcomes.at(-1), { kind: 'opened' }, 'and at once the next time');
    t.end();
  });
}

void t.test('link › dial › a PADS that comes after the last PADR is the session asked for', (t) => {
  const pair = new LinkPair();
  pair.intercept = (sent) =>
    name(sent) === 'PADR' || pair.discoverySent('PADI').length > 1 ? [] : undefined;
  pair.dial().run(9500);
  t.same(pair.sent.map(name).at(-1), 'PADI');
  const padr = pair.discoverySent('PADR')[0]?.packet;
  if (padr === undefined) throw new Error('no PADR');
  pair.hearing();
  pair.ac.answer({ kind: 'send-discovery', destination: AC_MAC, packet: padr }, pair.now);
  pair.feed(pair.ac.confirm(padr));
  t.notOk(pair.sent.map(name).includes('PADT'));
  t.ok(pair.outputs.some(({ kind }) => kind === 'attach'));
  t.end();
});

void t.test(
  'link › dial › a PADS that comes in the back-off behind a refusal is the session asked for',
  (t) => {
    const waiting = new LinkPair();
    waiting.intercept = (sent, ac) =>
      name(sent) === 'PADR' && sent.kind === 'send-discovery'
        ? [ac.confirm(sent.packet, 0, [{ type: TAG['Generic-Error'], value: utf8('busy') }])]
        : undefined;
    waiting.dial().run(100);
    t.equal(waiting.link.status().phase, 'Wait');
    const asked = waiting.discoverySent('PADR')[0]?.packet;
    if (asked === undefined) throw new Error('no PADR');
    waiting.feed(waiting.ac.confirm(asked, 0x77));
    t.same(waiting.discoverySent('PADT'), []);
    t.match(
      waiting.outputs.filter(({ kind }) => kind === 'attach'),
      [{ key: { sessionId: 0x77 } }],
    );
    t.end();
  },
);

void t.test(
  'link › dial › what is wrong with the PADOs is what the status and one warning say',
  (t) => {
    const cases: readonly [Partial<LinkConfig>, Tag[] | 'no Host-Uniq', RegExp][] = [
      [{ acName: 'bras9' }, [], /AC-Name bras is not the configured one/],
      [{ acMac: OTHER_MAC }, [], /another AC MAC is configured/],
      [{ serviceName: 'gold' }, [], /the configured service is not offered/],
      [{}, [{ type: TAG['Generic-Error'], value: utf8('voll') }], /Generic-Error: voll/],
      [{}, 'no Host-Uniq', /no Host-Uniq/],
    ];
    for (const [config, tags, expected] of cases) {
      const pair = new LinkPair(config);
      pair.intercept = (sent, ac) => {
        if (sent.kind !== 'send-discovery') return undefined;
        if (tags !== 'no Host-Uniq') return [ac.offer(sent.packet, tags)];
        const packet = { ...sent.packet, tags: [] };
        return [ac.offer(packet)];
      };
      pair.dial().run(60_000);
      t.match(pair.link.status().lastError, expected);
      t.equal(pair.notes.filter((n) => n.on === 'ignored PADO' && n.level === 'warn').length, 1);
    }
    t.end();
  },
);

void t.test('link › dial › Host-Uniq is what the configuration says, in PADI and PADR', (t) => {
  const hostUniq = utf8('line-4711');
  const pair = new LinkPair({ hostUniq }).up();
  for (const code of ['PADI', 'PADR'] as const)
    t.match(
      pair.discoverySent(code)[0]?.packet.tags.find(({ type }) => type === TAG['Host-Uniq']),
      { value: hostUniq },
    );
  t.same(pair.facts.hostUniq, hostUniq);
  t.end();
});
