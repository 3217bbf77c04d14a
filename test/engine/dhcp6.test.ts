import t from 'tap';
import { DHCP6, stepDhcp6 } from '@ppp-thing/protocol/engine/dhcp6/table';
import { clampLease, secondsLeft, type Lease } from '@ppp-thing/protocol/lease';
import {
  DHCP6_STATUS,
  findOption,
  INFINITY,
  type Dhcp6Option,
} from '@ppp-thing/protocol/wire/dhcpv6';
import { formatIpv6 } from '@ppp-thing/protocol/wire/ipv6';
import { hex } from '../hex.ts';
import {
  asksFor,
  delegation,
  Dhcp6World,
  ip,
  OTHER_SERVER,
  SERVER,
  shown,
  status,
  WALL_CLOCK,
} from './dhcp6-world.ts';

const OURS = ['2001:db8:ab00::/56'];
const HOUR = 3_600_000;

t.test('dhcp6 › every state answers every event, and no cell is unknown', async (t) => {
  const states = Object.keys(DHCP6.Stop) as (keyof typeof DHCP6.Stop)[];
  for (const event of Object.keys(DHCP6) as (keyof typeof DHCP6)[])
    for (const state of states) {
      const { next } = stepDhcp6(state, event);
      t.ok(states.includes(next), `${event} in ${state}`);
      t.ok(event !== 'Stop' || (next === 'Off' && stepDhcp6(state, event).acts.length === 0));
    }
});

t.test('dhcp6 › only the operator makes it release (R3)', async (t) => {
  for (const [event, row] of Object.entries(DHCP6))
    for (const cell of Object.values(row))
      if (cell.includes('release')) t.equal(event, 'Disconnect');
});

t.test('dhcp6 › Solicit, Advertise, Request, Reply (§18.2.1)', async (t) => {
  const world = new Dhcp6World({ hint: { prefix: ip('::'), length: 56 } }).start();
  t.same(world.types, ['Solicit'], 'at once');
  t.same(asksFor(world.last), ['::/56']);
  t.ok(findOption(world.last.options, 'rapidCommit'));
  t.equal(findOption(world.last.options, 'elapsedTime')?.hundredths, 0);
  world.run(300).answer('Advertise', [delegation()]);
  t.same(world.types, ['Solicit'], 'offers are collected for a while');
  world.run(900);
  t.same(world.types, ['Solicit', 'Request']);
  t.same(asksFor(world.last), OURS);
  t.same(findOption(world.last.options, 'serverId')?.duid, SERVER);
  world.answer('Reply', [
    delegation(),
    { kind: 'dns', servers: [ip('2001:db8::53')] },
    { kind: 'aftrName', name: [hex`61667472`, hex`697370`] },
    { kind: 'domainSearch', names: [[hex`697370`], [hex`612f62`]] },
  ]);
  t.equal(world.client.status().state, 'Bound');
  t.match(world.lease, { iaid: 7, t1: 1800, t2: 2880, aftr: 'aftr.isp', search: ['isp'] });
  t.same(shown(world.lease), OURS);
  t.same(world.lease?.dns.map(formatIpv6), ['2001:db8::53']);
  t.equal(world.lease?.grantedAt, Math.floor((WALL_CLOCK + world.now) / 1000));
});

t.test('dhcp6 › a Reply with Rapid Commit needs no Request', async (t) => {
  const world = new Dhcp6World().start().answer('Reply', [delegation()]);
  t.equal(world.client.status().state, 'Solicit', 'not without the option');
  world.answer('Reply', [{ kind: 'rapidCommit' }, delegation()]);
  t.equal(world.client.status().state, 'Bound');
});

t.test('dhcp6 › of two servers the preferred one, then the one with our old prefix', async (t) => {
  const first = delegation({ prefix: '2001:db8:cc00::' });
  const old = { prefix: ip('2001:db8:ab00::'), length: 56 };
  const byOld = new Dhcp6World({ hint: old }).start();
  byOld.answer('Advertise', [first]).answer('Advertise', [delegation()], { server: OTHER_SERVER });
  t.same(findOption(byOld.run(1200).last.options, 'serverId')?.duid, OTHER_SERVER);
  const byPreference = new Dhcp6World({ hint: old }).start();
  byPreference.answer('Advertise', [{ kind: 'preference', value: 9 }, first]);
  byPreference.answer('Advertise', [delegation()], { server: OTHER_SERVER });
  t.same(findOption(byPreference.run(1200).last.options, 'serverId')?.duid, SERVER);
  const empty = new Dhcp6World().start().answer('Advertise', [status(DHCP6_STATUS.NoPrefixAvail)]);
  t.same(empty.run(1200).types, ['Solicit', 'Solicit'], 'an offer of nothing is none');
});

t.test('dhcp6 › a Solicit is sent ever more slowly, and says how long (§15)', async (t) => {
  for (let seed = 1; seed < 30; seed++) {
    const world = new Dhcp6World({}, WALL_CLOCK, seed).start().run(6 * HOUR);
    const times = world.sent.map(({ at }) => at);
    const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    const [first = 0, second = 0] = gaps;
    t.ok(first > 1000 && first <= 1100, `first ${first}`);
    t.ok(second >= first * 1.9 && second <= first * 2.1, `second ${second}`);
    t.ok(Math.max(...gaps) <= 3600_000 * 1.1, 'SOL_MAX_RT');
    t.equal(findOption(world.last.options, 'elapsedTime')?.hundredths, 0xffff);
    t.equal(new Set(world.sent.map(({ message }) => message.transactionId)).size, 1);
  }
  const told = new Dhcp6World().start();
  told.answer('Advertise', [status(DHCP6_STATUS.NoPrefixAvail), { kind: 'solMaxRt', seconds: 60 }]);
  told.stop().start().run(HOUR);
  const gaps = told.sent.slice(1).map(({ at }, i) => at - (told.sent[i]?.at ?? 0));
  t.ok(Math.max(...gaps) <= 66_000, 'what a server says of SOL_MAX_RT counts');
});

t.test('dhcp6 › a Request that nobody answers ends after ten, and it solicits again', async (t) => {
  const world = new Dhcp6World().start();
  world.answer('Advertise', [{ kind: 'preference', value: 255 }, delegation()]).run(HOUR / 6);
  t.equal(world.types.filter((type) => type === 'Request').length, 10);
  t.equal(world.types[11], 'Solicit');
});

t.test('dhcp6 › T1 renews with the server, T2 with any, and then it is over', async (t) => {
  const world = new Dhcp6World().bind().run(1_799_000);
  t.same(world.types, ['Solicit', 'Request']);
  world.run(2000);
  t.equal(world.last.type, 'Renew');
  t.same(findOption(world.last.options, 'serverId')?.duid, SERVER);
  t.same(asksFor(world.last), OURS);
  world.run(1_080_000);
  t.equal(world.last.type, 'Rebind');
  t.equal(findOption(world.last.options, 'serverId'), undefined);
  t.ok(world.sent.length < 30, `${world.sent.length} messages`);
  world.run(4_400_000);
  t.equal(world.lease, null);
  t.equal(world.client.status().state, 'Solicit');
});

t.test('dhcp6 › a Renew that is answered starts the times anew', async (t) => {
  const world = new Dhcp6World().bind().run(1_801_000).answer('Reply', [delegation()]);
  t.equal(world.client.status().state, 'Bound');
  t.equal(world.leases.length, 2);
  t.equal((world.leases[1]?.grantedAt ?? 0) - (world.leases[0]?.grantedAt ?? 0), 1801);
  t.same(world.lease?.former, []);
  t.equal(world.run(1_700_000).types.filter((type) => type === 'Renew').length, 1);
});

t.test('dhcp6 › another router goes on with the lease and says nothing until T1', async (t) => {
  const first = new Dhcp6World().bind();
  const lease = first.lease as Lease;
  first.stop();
  const second = new Dhcp6World({}, WALL_CLOCK + 600_000).start(lease, false);
  t.equal(second.client.status().state, 'Bound');
  second.run(1_190_000);
  t.same(second.types, []);
  second.run(20_000);
  t.equal(second.last.type, 'Renew');
  const late = new Dhcp6World({}, WALL_CLOCK + 2_000_000).start(lease, false).run(0);
  t.same(late.types, ['Renew'], 'T1 that came while nobody held is served at once');
  const later = new Dhcp6World({}, WALL_CLOCK + 3_000_000).start(lease, false).run(0);
  t.same(later.types, ['Rebind'], 'and T2');
  const dead = new Dhcp6World({}, WALL_CLOCK + 8_000_000).start(lease, false);
  t.same(dead.types, ['Solicit']);
  t.same(dead.leases, [null]);
});

t.test(
  'dhcp6 › a new session asks whether the old lease holds, then solicits with it as a hint',
  async (t) => {
    const lease = new Dhcp6World().bind().lease as Lease;
    const world = new Dhcp6World({}, WALL_CLOCK + 60_000).start(lease, true);
    t.same(world.types, ['Rebind']);
    t.same(asksFor(world.last), OURS);
    const silent = new Dhcp6World({}, WALL_CLOCK + 60_000).start(lease, true).run(9_900);
    t.ok(
      silent.types.every((type) => type === 'Rebind') && silent.types.length >= 3,
      'Confirm pace',
    );
    silent.run(200);
    t.equal(silent.last.type, 'Solicit');
    t.same(asksFor(silent.last), OURS);
    t.equal(silent.lease, undefined, 'the prefix stays in use meanwhile');
    world.answer('Reply', [delegation()], { server: OTHER_SERVER });
    t.equal(world.client.status().state, 'Bound');
    t.same(shown(world.lease), OURS);
    t.same(world.lease?.serverDuid, OTHER_SERVER);
  },
);

t.test('dhcp6 › another prefix makes the old one a former one for two hours at most', async (t) => {
  const lease = new Dhcp6World().bind(delegation({ preferred: 90_000, valid: 100_000 }))
    .lease as Lease;
  const world = new Dhcp6World({}, WALL_CLOCK + 60_000).start(lease, true);
  world.answer('Reply', [delegation({ prefix: '2001:db8:cc00::' })]);
  t.same(shown(world.lease), ['2001:db8:cc00::/56']);
  t.match(world.lease?.former, [{ prefix: ip('2001:db8:ab00::'), length: 56, valid: 7200 }]);
  world.run(1_801_000);
  t.same(asksFor(world.last), ['2001:db8:cc00::/56'], 'the former one is not renewed');
  world.answer('Reply', [delegation({ prefix: '2001:db8:cc00::' })]);
  t.equal(world.lease?.former[0]?.valid, 7200 - 1801, 'nor does a Renew make it younger');
  world.run(1_700_000);
  world.run(101_000).answer('Reply', [delegation({ prefix: '2001:db8:cc00::' })]);
  world.run(1_801_000).answer('Reply', [delegation({ prefix: '2001:db8:cc00::' })]);
  world.run(1_801_000).answer('Reply', [delegation({ prefix: '2001:db8:cc00::' })]);
  t.same(world.lease?.former, [], 'and then it is gone');
});

t.test(
  'dhcp6 › a server that withdraws with lifetime 0 and gives another (RFC 9096)',
  async (t) => {
    const world = new Dhcp6World().bind().run(1_801_000);
    world.answer('Reply', [
      delegation({ preferred: 0, valid: 0 }),
      delegation({ prefix: '2001:db8:cc00::' }),
    ]);
    t.same(shown(world.lease), ['2001:db8:cc00::/56']);
    t.equal(world.lease?.former.length, 1);
    t.same(world.lines('warn'), []);
  },
);

t.test(
  'dhcp6 › NoBinding at a Renew is followed by a Request with what we have (§18.2.10.1)',
  async (t) => {
    const world = new Dhcp6World().bind().run(1_801_000);
    const none = { kind: 'iaPd', iaid: 7, t1: 0, t2: 0, options: [status(3, 'who?')] } as const;
    world.answer('Reply', [none]);
    t.equal(world.last.type, 'Request');
    t.same(asksFor(world.last), OURS);
    t.same(world.lines('warn'), ['Reply NoBinding: who?']);
    world.answer('Reply', [none]);
    t.equal(world.last.type, 'Solicit');
    t.equal(world.lease?.prefixes.length, 1, 'its lifetime is what the server granted');
  },
);

t.test('dhcp6 › of two prefixes the one that a Renew leaves out stays as it was', async (t) => {
  const other = delegation({ prefix: '2001:db8:cc00::', preferred: 5000, valid: 9000 });
  const BOTH = ['2001:db8:ab00::/56', '2001:db8:cc00::/56'];
  const world = new Dhcp6World().bind(delegation(), other).run(1_801_000);
  t.same(asksFor(world.last), BOTH);
  world.answer('Reply', [delegation()]);
  t.same(shown(world.lease), BOTH);
  t.same(world.lease?.former, [], 'it is preferred still');
  t.match(world.lease?.prefixes[1], { preferred: 5000 - 1801, valid: 9000 - 1801 });
  world
    .run(1_801_000)
    .answer('Reply', [
      delegation(),
      delegation({ prefix: '2001:db8:cc00::', preferred: 0, valid: 0 }),
    ]);
  t.same(shown(world.lease), OURS, 'one that is withdrawn goes');
  t.same(world.lines('warn'), []);
});

t.test('dhcp6 › a server that knows another prefix at Renew has renumbered the line', async (t) => {
  const world = new Dhcp6World().bind().run(1_801_000);
  world.answer('Reply', [delegation({ prefix: '2001:db8:cc00::' })]);
  t.same(shown(world.lease), ['2001:db8:cc00::/56']);
  t.match(world.lease?.former, [{ prefix: ip('2001:db8:ab00::') }]);
  t.equal(world.client.status().state, 'Bound');
});

t.test('dhcp6 › NotOnLink and UseMulticast leave a sane state and one line each', async (t) => {
  const renewing = (): Dhcp6World => new Dhcp6World().bind().run(1_801_000);
  const multicast = renewing().answer('Reply', [status(DHCP6_STATUS.UseMulticast)]);
  t.equal(multicast.client.status().state, 'Renew', 'it is asked again');
  t.same(multicast.lines('warn'), ['Reply UseMulticast']);
  t.equal(multicast.run(12_000).types.filter((type) => type === 'Renew').length, 2);
  const notOnLink = renewing().answer('Reply', [status(DHCP6_STATUS.NotOnLink)]);
  t.equal(notOnLink.client.status().state, 'Request');
  t.same(notOnLink.lines('warn'), ['Reply NotOnLink']);
  t.equal(notOnLink.lease?.prefixes.length, 1, 'the prefix lasts as long as it was granted');
});

t.test('dhcp6 › a Reply that comes after the session has moved changes nothing', async (t) => {
  const world = new Dhcp6World().bind().run(1_801_000);
  const { transactionId } = world.last;
  const before = world.leases.length;
  world.stop();
  world.answer('Reply', [delegation({ prefix: '2001:db8:cc00::' })], { transactionId });
  t.equal(world.leases.length, before);
  t.equal(world.client.status().state, 'Off');
  t.equal(world.client.status().ignored, 1);
});

t.test('dhcp6 › a lease of a partner whose clock is ahead or behind is never longer', async (t) => {
  const lease = new Dhcp6World().bind().lease as Lease;
  const ahead = { ...clampLease({ ...lease, grantedAt: lease.grantedAt + 86_400 }, WALL_CLOCK) };
  t.ok(secondsLeft(ahead, 7200, WALL_CLOCK) <= 7200);
  const world = new Dhcp6World().start(ahead, false).run(1_802_000);
  t.equal(world.last.type, 'Renew', 'T1 counts from when we heard of it');
  const behind = { ...lease, grantedAt: lease.grantedAt - 86_400 };
  t.same(new Dhcp6World().start(behind, false).types, ['Solicit'], 'an old one is no lease');
});

t.test('dhcp6 › disconnect releases, and does not wait for ever', async (t) => {
  const world = new Dhcp6World().bind().release();
  t.equal(world.last.type, 'Release');
  t.same(asksFor(world.last), OURS);
  t.equal(world.released, 0);
  world.answer('Reply', [status(DHCP6_STATUS.Success)]);
  t.equal(world.released, 1);
  t.equal(world.lease, null);
  t.equal(world.client.status().state, 'Off');
  const silent = new Dhcp6World().bind().release().run(3100);
  t.equal(silent.released, 1);
  t.equal(silent.types.filter((type) => type === 'Release').length, 2);
  const none = new Dhcp6World().start().release();
  t.equal(none.released, 1, 'with nothing to release it is done at once');
  t.same(none.types, ['Solicit']);
});

t.test(
  'dhcp6 › a disconnect that is taken back goes on with the lease, and asks at T1',
  async (t) => {
    const world = new Dhcp6World().bind();
    const lease = world.lease as Lease;
    world.release().start(lease, false);
    t.equal(world.client.status().state, 'Bound');
    t.same(world.notes.at(-1), { ...world.notes.at(-1), from: 'Release', to: 'Bound' });
    t.equal(world.released, 0);
    t.equal(world.run(1_802_000).last.type, 'Renew');
    const fresh = new Dhcp6World().bind().release().start(null);
    t.equal(fresh.last.type, 'Solicit');
    const moved = new Dhcp6World().bind();
    moved.release().start({ ...(moved.lease as Lease), session: 1 });
    t.equal(moved.client.status().state, 'Confirm');
  },
);

t.test('dhcp6 › stop is silent, whatever was in hand', async (t) => {
  for (const world of [
    new Dhcp6World().start(),
    new Dhcp6World().bind(),
    new Dhcp6World().bind().run(1_801_000),
    new Dhcp6World().bind().release(),
  ]) {
    const before = world.sent.length;
    world.stop().run(24 * HOUR);
    t.equal(world.sent.length, before);
    t.equal(world.client.deadline(), undefined);
  }
});

t.test('dhcp6 › what is not for us changes nothing', async (t) => {
  const world = new Dhcp6World().start();
  world.answer('Advertise', [delegation()], { duid: hex`0003 0001 020000000099` });
  world.answer('Advertise', [delegation()], { transactionId: world.last.transactionId ^ 1 });
  world.hear({ type: 'Reconfigure', transactionId: world.last.transactionId, options: [] });
  world.hear({ type: 'Solicit', transactionId: world.last.transactionId, options: [] });
  world.hear({ type: 'Advertise', transactionId: world.last.transactionId, options: [] });
  t.same(world.run(1200).types, ['Solicit', 'Solicit']);
  t.equal(world.client.status().ignored, 5);
  const renewing = new Dhcp6World().bind().run(1_801_000);
  renewing.answer('Reply', [delegation()], { server: OTHER_SERVER });
  t.equal(renewing.client.status().state, 'Renew', 'a Renew is answered by the server it was for');
});

const EMPTY: Dhcp6Option = { kind: 'iaPd', iaid: 7, t1: 0, t2: 0, options: [] };

t.test('dhcp6 › what a server gives that cannot be is said, a line each', async (t) => {
  const refused = {
    'T1 3000 is later than T2 2000: the IA is ignored': delegation({}, { t1: 3000, t2: 2000 }),
    'prefix 2001:db8:ab00::/56 is preferred for 9 s and valid for 8 s: it is ignored': delegation({
      preferred: 9,
      valid: 8,
    }),
    'prefix 2000::/31 is shorter than /32: it is ignored': delegation({
      prefix: '2000::',
      length: 31,
    }),
    'prefix fe80::/64 is not for the Internet: it is ignored': delegation({
      prefix: 'fe80::',
      length: 64,
    }),
    'it is for IAID 8, and ours is 7': delegation({}, { iaid: 8 }),
    'no prefix and no address in it': EMPTY,
  };
  for (const [line, option] of Object.entries(refused)) {
    const world = new Dhcp6World().start().answer('Reply', [{ kind: 'rapidCommit' }, option]);
    t.equal(world.client.status().state, 'Solicit');
    t.same(world.lines('warn'), [`Reply ${line}`]);
  }
  const accepted = {
    'prefix 2001:db8::/40 is shorter than /48': delegation({ prefix: '2001:db8::', length: 40 }),
    'prefix 2001:db8::/80 is longer than /64: no LAN can use it': delegation({
      prefix: '2001:db8::1',
      length: 80,
    }),
  };
  for (const [line, option] of Object.entries(accepted)) {
    const world = new Dhcp6World().bind(option);
    t.equal(world.client.status().state, 'Bound');
    t.same(world.lines('warn'), [`Reply ${line}`]);
  }
});

t.test('dhcp6 › lifetimes of 0 and for ever', async (t) => {
  const none = new Dhcp6World().start();
  none.answer('Reply', [{ kind: 'rapidCommit' }, delegation({ preferred: 0, valid: 0 })]);
  t.equal(none.client.status().state, 'Solicit');
  const forever = { preferred: INFINITY, valid: INFINITY };
  const world = new Dhcp6World().bind(delegation(forever, { t1: INFINITY, t2: INFINITY }));
  t.equal(world.client.deadline(), undefined, 'nothing to wait for');
  const ours = new Dhcp6World().bind(delegation(forever, { t1: 0, t2: 0 }));
  t.match(ours.lease, { t1: INFINITY, t2: INFINITY });
  const chosen = new Dhcp6World().bind(delegation({}, { t1: 0, t2: 0 }));
  t.match(chosen.lease, { t1: 1800, t2: 2880 }, 'half and four fifths of preferred');
  const hasty = new Dhcp6World().bind(delegation({}, { t1: 1, t2: 1 }));
  t.match(hasty.lease, { t1: 5, t2: 5 });
  const deprecated = new Dhcp6World().bind(delegation({ preferred: 0, valid: 100 }));
  t.match(deprecated.lease, { prefixes: [{ preferred: 0, valid: 100 }] });
});

t.test('dhcp6 › an excluded prefix is no subnet of ours (RFC 6603)', async (t) => {
  const options = [{ kind: 'pdExclude', length: 64, subnetId: hex`07` }] as const;
  const iaPrefix = { kind: 'iaPrefix', length: 56, preferred: 60, valid: 60, options } as const;
  const prefix = { ...iaPrefix, prefix: ip('2001:db8:ab00::') };
  const world = new Dhcp6World().bind({ kind: 'iaPd', iaid: 7, t1: 0, t2: 0, options: [prefix] });
  const exclude = world.lease?.prefixes[0]?.exclude;
  t.equal(exclude && formatIpv6(exclude.prefix), '2001:db8:ab00:7::');
  t.equal(exclude?.length, 64);
});

t.test('dhcp6 › an address where it is asked for (IA_NA)', async (t) => {
  const address = {
    kind: 'iaAddress',
    address: ip('2001:db8::7'),
    preferred: 60,
    valid: 90,
  } as const;
  const ia = {
    kind: 'iaNa',
    iaid: 7,
    t1: 0,
    t2: 0,
    options: [{ ...address, options: [] }],
  } as const;
  const world = new Dhcp6World({ address: true, prefix: false }).bind(ia);
  t.same(
    world.lease?.addresses.map((each) => formatIpv6(each.address)),
    ['2001:db8::7'],
  );
  t.equal(findOption(world.last.options, 'iaPd'), undefined);
  t.same(new Dhcp6World().bind(ia, delegation()).lease?.addresses, [], 'and nowhere else');
});

t.test('lease › a clock that is ahead makes no lease longer', async (t) => {
  const lease = new Dhcp6World({}, WALL_CLOCK + 3_600_000).bind().lease as Lease;
  const here = clampLease(lease, WALL_CLOCK);
  t.equal(secondsLeft(here, 7200, WALL_CLOCK), 7200);
  t.equal(
    secondsLeft(clampLease(lease, WALL_CLOCK + 7_200_000), 7200, WALL_CLOCK + 7_200_000) < 7200,
    true,
  );
  t.equal(secondsLeft(here, INFINITY, WALL_CLOCK), INFINITY);
});
