/** DHCPv6 servers that do what no server should: the client stays polite, and keeps the prefix it has. */
import t from 'tap';
import {
  DHCP6_STATUS,
  findOption,
  INFINITY,
  type Dhcp6Message,
  type Dhcp6Option,
} from '@ppp-thing/protocol/wire/dhcpv6';
import { formatIpv6 } from '@ppp-thing/protocol/wire/ipv6';
import { asksFor, delegation, Dhcp6World, ip, OTHER_SERVER, shown, status } from './dhcp6-world.ts';

const OURS = ['2001:db8:ab00::/56'];
const HOUR = 3_600_000;
const FIRST: Dhcp6Option = { kind: 'preference', value: 255 };

/** What a server says to a message, and how; nothing if it is silent. */
type Server = (asked: Dhcp6Message) => Parameters<Dhcp6World['answer']> | undefined;

/** More than any client may send in a test. */
const TOO_MANY = 500;

/** Let time pass with a server that answers within 10 ms. */
function serve(world: Dhcp6World, span: number, server: Server): Dhcp6World {
  const end = world.now + span;
  let answered = 0;
  while (world.now < end && world.sent.length < TOO_MANY) {
    if (world.sent.length > answered) {
      answered = world.sent.length;
      const answer = server(world.run(10).last);
      if (answer !== undefined) world.answer(...answer);
    } else {
      const next = world.client.deadline() ?? end;
      world.run(Math.max(0, Math.min(next, end) - world.now));
    }
  }
  return world;
}

/** A server that offers a prefix, and grants it; what it says to the messages of `odd` is another thing. */
const offering =
  (
    odd: Partial<Record<Dhcp6Message['type'], readonly Dhcp6Option[]>>,
    given = [delegation()],
  ): Server =>
  ({ type }) =>
    type === 'Solicit' ? ['Advertise', [FIRST, ...given]] : ['Reply', odd[type] ?? given];

/** Most messages in any 20 s. */
function busiest({ sent }: Dhcp6World): number {
  const within = sent.map(({ at }, i) => sent.slice(i).filter((each) => each.at < at + 20_000));
  return Math.max(...within.map(({ length }) => length));
}

t.test(
  'dhcp6 › a server that denies what it offers is asked ever more slowly (§14.1)',
  async (t) => {
    for (const [what, denied] of Object.entries({
      NoPrefixAvail: [status(DHCP6_STATUS.NoPrefixAvail)],
      'another IAID': [delegation({}, { iaid: 8 })],
      'no longer valid': [delegation({ preferred: 0, valid: 0 })],
      'valid for a second': [delegation({ preferred: 1, valid: 1 })],
      nothing: [],
    })) {
      const world = serve(new Dhcp6World().start(), HOUR, offering({ Request: denied }));
      t.ok(busiest(world) <= 20, `${what}: ${busiest(world)} messages in 20 s`);
      t.ok(world.sent.length < 120, `${what}: ${world.sent.length} in an hour`);
      t.ok(world.sent.length > 50, `${what}: and it does not give up`);
      serve(world, 130_000, offering({}));
      t.same(shown(world.lease), OURS, `${what}: it takes what it gets at last`);
    }
  },
);

t.test('dhcp6 › a lease that would end before T1 is renewed in time all the same', async (t) => {
  for (const late of [7200, 86_400, INFINITY]) {
    const given = [delegation({}, { t1: late, t2: late })];
    const world = serve(new Dhcp6World().start(), 3 * HOUR, offering({}, given));
    t.notOk(world.leases.includes(null), `T1 of ${late} s: the prefix is never lost`);
    t.match(world.lease, { t1: 1800, t2: 2880 });
  }
});

t.test('dhcp6 › SOL_MAX_RT counts for the Solicit in hand (RFC 9915 §21.24)', async (t) => {
  const server: Server = () => [
    'Advertise',
    [status(DHCP6_STATUS.NoPrefixAvail), { kind: 'solMaxRt', seconds: 60 }],
  ];
  const world = serve(new Dhcp6World().start(), HOUR, server);
  const gaps = world.sent.slice(1).map(({ at }, i) => at - (world.sent[i]?.at ?? 0));
  t.ok(Math.max(...gaps) <= 66_000, `${Math.max(...gaps)} ms`);
  const late = new Dhcp6World().start().run(3000_000);
  late.answer('Advertise', [{ kind: 'solMaxRt', seconds: 60 }]);
  t.ok((late.client.deadline() ?? Infinity) <= late.now + 66_000, 'and for the wait in hand');
});

const ADDRESS: Dhcp6Option = {
  kind: 'iaNa',
  iaid: 7,
  t1: 0,
  t2: 0,
  options: [
    { kind: 'iaAddress', address: ip('2001:db8::7'), preferred: 3600, valid: 7200, options: [] },
  ],
};

t.test('dhcp6 › a Renew that confirms one thing does not take the other away', async (t) => {
  const both = [delegation(), ADDRESS];
  const broken = {
    'T1 later than T2': delegation({}, { t1: 9, t2: 8 }),
    'preferred longer than valid': delegation({ preferred: 9, valid: 8 }),
    'another prefix, which is none': delegation({ prefix: 'fe80::' }),
    UnspecFail: { kind: 'iaPd', iaid: 7, t1: 0, t2: 0, options: [status(1)] },
  } as const;
  for (const [what, said] of Object.entries({ 'no IA_PD': undefined, ...broken })) {
    const world = new Dhcp6World({ address: true }).bind(...both).run(1_801_000);
    world.answer('Reply', said === undefined ? [ADDRESS] : [ADDRESS, said]);
    t.equal(world.client.status().state, 'Bound', what);
    t.same(shown(world.lease), OURS, what);
    t.match(world.lease, { former: [], prefixes: [{ preferred: 1799, valid: 5399 }] }, what);
  }
  const prefixOnly = new Dhcp6World({ address: true }).bind(...both).run(1_801_000);
  prefixOnly.answer('Reply', [delegation()]);
  t.match(prefixOnly.lease?.addresses, [{ preferred: 1799, valid: 5399 }], 'no IA_NA');
  const other = delegation({ prefix: '2001:db8:cc00::' });
  const two = new Dhcp6World().bind(delegation(), other).run(1_801_000);
  two.answer('Reply', [
    delegation(),
    delegation({ prefix: '2001:db8:cc00::', preferred: 9, valid: 8 }),
  ]);
  t.match(two.lease, { former: [], prefixes: [{ preferred: 3600 }, { preferred: 1799 }] });
  const gone = new Dhcp6World({ address: true }).bind(...both).run(1_801_000);
  gone.answer('Reply', [ADDRESS, delegation({ preferred: 0, valid: 0 })]);
  t.match(gone.lease, { prefixes: [], former: [{ valid: 5399 }] }, 'what is withdrawn goes');
});

t.test('dhcp6 › NoBinding for one of two IAs is followed by a Request for both', async (t) => {
  const forgotten = { kind: 'iaPd', iaid: 7, t1: 0, t2: 0, options: [status(3)] } as const;
  const world = new Dhcp6World({ address: true }).bind(delegation(), ADDRESS).run(1_801_000);
  world.answer('Reply', [ADDRESS, forgotten]);
  t.equal(world.last.type, 'Request');
  t.same(asksFor(world.last), OURS);
  t.ok(findOption(world.last.options, 'iaNa'));
  world.answer('Reply', [ADDRESS, forgotten]);
  t.equal(world.client.status().state, 'Bound', 'a server that has no more gives what it has');
  t.match(world.lease, { prefixes: [], former: [{ valid: 5399 }] });
});

t.test(
  'dhcp6 › a server without addresses gives a prefix, whatever it says of the whole',
  async (t) => {
    const world = new Dhcp6World({ address: true });
    world.bind(status(DHCP6_STATUS.NoAddrsAvail), delegation());
    t.same(shown(world.lease), OURS);
    t.same(world.lease?.addresses, []);
  },
);

t.test('dhcp6 › a Request asks for what was offered and can be used, and no more', async (t) => {
  const many = Array.from({ length: 40 }, (_, i) =>
    delegation({ prefix: `2001:db8:${i + 1}00::` }),
  );
  const world = new Dhcp6World({ address: true }).start();
  world.answer('Advertise', [FIRST, delegation({ prefix: 'fe80::' }), ...many, ADDRESS]);
  t.equal(asksFor(world.last).length, 4);
  const address = findOption(world.last.options, 'iaNa')?.options[0];
  t.equal(address?.kind === 'iaAddress' && formatIpv6(address.address), '2001:db8::7');
});

t.test('dhcp6 › a server that has another DUID since its restart is found at T2', async (t) => {
  const world = serve(new Dhcp6World().start(), 3 * HOUR, ({ type }) =>
    type === 'Solicit'
      ? ['Advertise', [FIRST, delegation()]]
      : ['Reply', [delegation()], type === 'Request' ? {} : { server: OTHER_SERVER }],
  );
  t.notOk(world.leases.includes(null));
  t.same(world.lease?.serverDuid, OTHER_SERVER);
});

t.test(
  'dhcp6 › a server that answers another IAID is told from one that gives nothing',
  async (t) => {
    const world = serve(new Dhcp6World().start(), 60_000, () => [
      'Advertise',
      [FIRST, delegation({}, { iaid: 8 })],
    ]);
    t.equal(world.client.status().lastError, 'Advertise: it is for IAID 8, and ours is 7');
  },
);

t.test('dhcp6 › what a server says in the same words for ever is one warning', async (t) => {
  const world = serve(new Dhcp6World().start(), 12 * HOUR, () => [
    'Advertise',
    [status(DHCP6_STATUS.NoPrefixAvail, 'no pool')],
  ]);
  t.same(world.lines('warn'), ['Advertise NoPrefixAvail: no pool']);
  const failing = serve(new Dhcp6World().bind(), 2 * HOUR, () => [
    'Reply',
    [status(DHCP6_STATUS.UnspecFail)],
  ]);
  t.same(failing.lines('warn'), ['Reply UnspecFail']);
  const broken: Dhcp6Option = { kind: 'iaPd', iaid: 7, t1: 9, t2: 8, options: [] };
  const renewed = serve(new Dhcp6World().start(), 12 * HOUR, offering({}, [delegation(), broken]));
  t.same(renewed.lines('warn'), ['Reply T1 9 is later than T2 8: the IA is ignored']);
});
