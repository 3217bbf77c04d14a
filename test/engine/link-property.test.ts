/** Whatever the line, the kernel and the operator do: the link never throws, never floods, never waits for ever. */
import * as fc from 'fast-check';
import t from 'tap';
import type { Event } from '@ppp-thing/protocol/engine/events';
import type { DiscoveryPacket, Tag } from '@ppp-thing/protocol/wire/pppoe';
import type { ChapPacket, PapPacket } from '@ppp-thing/protocol/wire/auth';
import type { LcpOption } from '@ppp-thing/protocol/wire/lcp';
import type { IpcpOption, Ipv6cpOption } from '@ppp-thing/protocol/wire/ncp';
import type { ControlPacket, LcpOnlyPacket, PppPacket } from '@ppp-thing/protocol/wire/ppp';
import { counterRandom, LinkPair } from './link-pair.ts';
import { AC_MAC, AC_MAGIC, OTHER_MAC, SESSION_ID } from './scripted-ac.ts';

const FACTS = new LinkPair({ ipv6: true }).up().facts;

const octets = (maxLength: number) => fc.uint8Array({ maxLength });
const identifier = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 100, max: 104 }));
const magic = fc.constantFrom(0, AC_MAGIC, FACTS.ourMagic, 1);
const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
const unknown = fc.record({
  kind: fc.constant('unknown' as const),
  type: fc.nat(255),
  raw: octets(8),
});

const lcpOption: fc.Arbitrary<LcpOption> = fc.oneof(
  fc.record({ kind: fc.constant('mru' as const), mru: fc.nat(65535) }),
  fc.record({
    kind: fc.constant('authentication' as const),
    method: fc.constantFrom('PAP', 'CHAP-MD5', 'MS-CHAPv2', 'unknown'),
  }),
  fc.record({ kind: fc.constant('magic' as const), magic }),
  unknown,
);
const ipcpOption: fc.Arbitrary<IpcpOption> = fc.oneof(
  fc.record({ kind: fc.constantFrom('address', 'dns1', 'dns2'), address: ipv4 }),
  unknown,
);
const ipv6cpOption: fc.Arbitrary<Ipv6cpOption> = fc.oneof(
  fc.record({
    kind: fc.constant('interfaceId' as const),
    interfaceId: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  }),
  unknown,
);

function control<Option>(option: fc.Arbitrary<Option>): fc.Arbitrary<ControlPacket<Option>> {
  return fc.oneof(
    fc.record({
      code: fc.constantFrom(
        'Configure-Request',
        'Configure-Ack',
        'Configure-Nak',
        'Configure-Reject',
      ),
      identifier,
      options: fc.array(option, { maxLength: 4 }),
    }),
    fc.record({
      code: fc.constantFrom('Terminate-Request', 'Terminate-Ack'),
      identifier,
      data: octets(4),
    }),
    fc.record({ code: fc.constant('Code-Reject' as const), identifier, rejected: octets(4) }),
    fc.record({
      code: fc.constant('unknown' as const),
      number: fc.integer({ min: 14, max: 255 }),
      identifier,
      raw: octets(40),
    }),
  );
}

const lcpOnly: fc.Arbitrary<LcpOnlyPacket> = fc.oneof(
  fc.record({
    code: fc.constant('Protocol-Reject' as const),
    identifier,
    protocol: fc.constantFrom(0xc021, 0x8021, 0x8057, 0xc023, 0xc223, 0x80fd),
    rejected: octets(4),
  }),
  fc.record({
    code: fc.constantFrom('Echo-Request', 'Echo-Reply', 'Discard-Request'),
    identifier,
    magic,
    data: octets(16),
  }),
  fc.record({
    code: fc.constant('Identification' as const),
    identifier,
    magic,
    message: octets(16),
  }),
);
const pap: fc.Arbitrary<PapPacket> = fc.record({
  code: fc.constantFrom('Authenticate-Ack', 'Authenticate-Nak'),
  identifier,
  message: octets(16),
});
const chap: fc.Arbitrary<ChapPacket> = fc.oneof(
  fc.record({
    code: fc.constantFrom('Challenge', 'Response'),
    identifier,
    value: octets(20),
    name: octets(8),
  }),
  fc.record({ code: fc.constantFrom('Success', 'Failure'), identifier, message: octets(48) }),
);

const ppp: fc.Arbitrary<PppPacket> = fc.oneof(
  fc.record({
    protocol: fc.constant('LCP' as const),
    packet: fc.oneof(control(lcpOption), lcpOnly),
  }),
  fc.record({ protocol: fc.constant('PAP' as const), packet: pap }),
  fc.record({ protocol: fc.constant('CHAP' as const), packet: chap }),
  fc.record({ protocol: fc.constant('IPCP' as const), packet: control(ipcpOption) }),
  fc.record({ protocol: fc.constant('IPV6CP' as const), packet: control(ipv6cpOption) }),
  fc.record({
    protocol: fc.constant('unknown' as const),
    number: fc.integer({ min: 0x8000, max: 0xffff }),
    information: octets(40),
  }),
);

const tag: fc.Arbitrary<Tag> = fc.record({
  type: fc.constantFrom(0x0101, 0x0102, 0x0103, 0x0104, 0x0110, 0x0120, 0x0201, 0x0203, 0x9999),
  value: octets(8),
});
const discovery: fc.Arbitrary<DiscoveryPacket> = fc.record({
  code: fc.constantFrom('PADI', 'PADO', 'PADR', 'PADS', 'PADT'),
  sessionId: fc.constantFrom(0, SESSION_ID, 0xffff, 77),
  tags: fc.array(tag, { maxLength: 4 }),
});

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('ppp' as const), packet: ppp }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('discovery' as const),
      source: fc.constantFrom(AC_MAC, OTHER_MAC),
      packet: discovery,
    }),
  },
  fc.record({ kind: fc.constant('carrier' as const), up: fc.boolean() }),
  fc.constant({ kind: 'session-closed' as const }),
  fc.constant({ kind: 'deadline' as const }),
  fc.record({
    kind: fc.constant('failed' as const),
    action: fc.constantFrom('attach', 'gate', 'send-ppp', 'send-discovery'),
    code: fc.constant('ENETDOWN'),
    message: fc.constant('line down'),
  }),
);

type Step =
  | { readonly do: 'event'; readonly event: Event }
  | { readonly do: 'run'; readonly span: number }
  | { readonly do: 'dial' | 'resume' | 'suspend' | 'hangUp' | 'deaf' | 'hearing' }
  | { readonly do: 'lossy'; readonly seed: number };

const script: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 10, arbitrary: fc.record({ do: fc.constant('event' as const), event }) },
    // One frame or so at a time, so that silence falls in the middle of every exchange.
    { weight: 4, arbitrary: fc.record({ do: fc.constant('run' as const), span: fc.nat(12) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('run' as const), span: fc.nat(20_000) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('lossy' as const), seed: fc.nat(9999) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom('dial', 'dial', 'resume', 'suspend', 'hangUp', 'deaf', 'hearing'),
      }),
    },
  ),
  // Short scripts hardly get past discovery.
  { maxLength: 80, size: 'max' },
);

function perform(pair: LinkPair, step: Step): void {
  switch (step.do) {
    case 'event':
      pair.feed(step.event);
      break;
    case 'run':
      pair.run(step.span);
      break;
    case 'resume':
      pair.resume(FACTS);
      break;
    case 'deaf':
      pair.deaf();
      break;
    case 'lossy': {
      const random = counterRandom(step.seed);
      pair.intercept = () => ((random(1)[0] ?? 0) < 80 ? [] : undefined);
      break;
    }
    case 'hearing':
      pair.hearing();
      break;
    case 'dial':
    case 'suspend':
    case 'hangUp':
      pair[step.do]();
      break;
    default: {
      const unreachable: never = step;
      throw new Error(`no step ${String(unreachable)}`);
    }
  }
}

const NEEDS_CARRIER: ReadonlySet<string> = new Set(['Establish', 'Authenticate', 'Network']);

void t.test(
  'link › under any script it never throws and never waits for what only time can end',
  (t) => {
    fc.assert(
      fc.property(script, (steps) => {
        const pair = new LinkPair({ ipv6: true });
        let carrier = true;
        for (const step of steps) {
          if (step.do === 'event' && step.event.kind === 'carrier') carrier = step.event.up;
          perform(pair, step);
          const { phase } = pair.link.status();
          const deadline = pair.link.deadline();
          // Without carrier its return is awaited; a farewell, a dial and a back-off wait for time alone.
          // An AC that has rejected Echo is asked no more, and its session may go on for ever.
          const isUnasked =
            phase === 'Network' && pair.notes.some(({ on }) => on === 'the AC has no Echo');
          const mayWait = phase === 'Dead' || isUnasked || (!carrier && NEEDS_CARRIER.has(phase));
          if (!mayWait && deadline === undefined) throw new Error(`no deadline in ${phase}`);
          if (phase === 'Dead' && deadline !== undefined) throw new Error('a deadline in Dead');
        }
      }),
      { numRuns: 400 },
    );
    t.pass('400 scripts');
    t.end();
  },
);

void t.test('link › under any script a suspended link sends nothing', (t) => {
  fc.assert(
    fc.property(script, fc.array(event, { maxLength: 20 }), (steps, after) => {
      const pair = new LinkPair({ ipv6: true });
      for (const step of steps) perform(pair, step);
      pair.suspend().forget();
      for (const one of after) pair.feed(one).run(1000);
      const said = pair.outputs.filter(({ kind }) => kind !== 'note');
      if (said.length > 0) throw new Error(JSON.stringify(said[0]));
    }),
    { numRuns: 200 },
  );
  t.pass('200 scripts');
  t.end();
});

void t.test(
  'link › under any script there is one PADT, detach and closed for each session at most',
  (t) => {
    fc.assert(
      fc.property(script, (steps) => {
        const pair = new LinkPair({ ipv6: true });
        for (const step of steps) perform(pair, step);
        const count = (kind: string): number => pair.outputs.filter((o) => o.kind === kind).length;
        const ends = count('detach');
        const starts = pair.outputs.filter(
          (o) => o.kind === 'note' && o.note.to === 'Establish',
        ).length;
        const resumes = steps.filter((step) => step.do === 'resume').length;
        if (ends > starts + resumes)
          throw new Error(`${ends} ends of ${starts + resumes} sessions`);
      }),
      { numRuns: 200 },
    );
    t.pass('200 scripts');
    t.end();
  },
);

void t.test(
  'link › S13: a flood is shed with one line, and honest traffic passes again after it',
  (t) => {
    const pair = new LinkPair().up().forget();
    const { theirMagic } = pair.link.status().phase === 'Network' ? FACTS : { theirMagic: 0 };
    for (let i = 0; i < 100_000; i++)
      pair.lcp({
        code: 'Echo-Request',
        identifier: i & 0xff,
        magic: theirMagic,
        data: new Uint8Array(0),
      });
    t.ok(pair.sent.length <= 400, `${pair.sent.length} answers`);
    t.equal(pair.notes.length, 1);
    pair.run(5000).forget();
    pair.lcp({ code: 'Echo-Request', identifier: 1, magic: theirMagic, data: new Uint8Array(0) });
    t.equal(pair.lcpSent.at(-1)?.code, 'Echo-Reply');
    t.end();
  },
);

void t.test(
  'link › S13: a flood of Configure-Requests costs one answer each at most, and two packets of ours',
  (t) => {
    const pair = new LinkPair().up().forget();
    pair.deaf();
    const options = [{ kind: 'magic', magic: 9 }] as const;
    for (let i = 0; i < 300; i++)
      pair.lcp({ code: 'Configure-Request', identifier: i & 0xff, options });
    t.ok(pair.sent.length <= 302, `${pair.sent.length} packets`);
    t.end();
  },
);
