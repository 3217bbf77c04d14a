/**
 * What a role's edge does by itself, on the fake FreeBSD kernel with a whole helper: gate, interface and default route in
 * one act, from what the session was armed with; and no router that is MASTER sends what comes from its LAN to its partner.
 */
import t, { type Test } from 'tap';
import {
  decodeAnnounce,
  encodeAnnounce,
  PRESENCE,
  type Announced,
} from '@ppp-thing/helper/announce';
import type { SessionSettings, SessionVerbs, Via } from '@ppp-thing/helper/backend';
import { DISK, type Disk } from '@ppp-thing/helper/files';
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import type { Notice } from '@ppp-thing/protocol/ipc/messages';
import { Client } from '../helper/client.ts';
import {
  ARM,
  ATTACH,
  CONFIGURE,
  KEY,
  Life,
  THEIRS,
  role,
  session,
  state,
  stop,
  type Helper,
} from './life.ts';
import { SESSION, VHID } from './world.ts';

const PARTNER = Uint8Array.of(192, 168, 7, 3);
const OTHER = {
  ...SESSION,
  name: 'pppoe1',
  stub: 'pppoe1x',
  mac: Uint8Array.of(2, 0, 0x5e, 0, 0, 2),
};

interface Armed {
  readonly life: Life;
  readonly helper: Helper;
  readonly client: Client;
  /** Where the default route leads. */
  via(): Via | 'another';
}

/** A standby: armed with `attach`, its interface configured and down, its default route via the partner. */
async function standby(t: Test, attach = ARM): Promise<Armed> {
  const life = await Life.make(t);
  const helper = life.start();
  const client = await Client.greet(helper.path);
  t.equal(await client.outcome(attach), 'done');
  t.equal(await client.outcome({ ...CONFIGURE, up: false }), 'done');
  t.equal(await client.outcome({ verb: 'route', session, via: 'partner' }), 'done');
  const { routes } = life.router.kernel;
  const via = (): Via | 'another' => {
    if (routes.isVia(0, THEIRS)) return 'session';
    if (routes.isVia(0, PARTNER)) return 'partner';
    return routes.default() === undefined ? 'none' : 'another';
  };
  t.equal(via(), 'partner');
  return { life, helper, client, via };
}

async function finish(t: Test, { life }: Armed, helper: Helper, client: Client): Promise<void> {
  client.end();
  await stop(helper, 'remove');
  t.strictSame(life.router.leftovers(), []);
}

t.test('freebsd › the edge to MASTER forwards at once, with no supervisor alive', async (t) => {
  const armed = await standby(t);
  const { life, helper, client, via } = armed;
  const { carp, interfaces } = life.router.kernel;
  client.end();
  carp.set(VHID, 'MASTER');
  const next = await Client.greet(helper.path);
  await next.until('the edge', () => helper.lines.find((line) => line.includes('-> MASTER')));
  t.ok(interfaces.get(session).isUp);
  t.equal(via(), 'session');
  carp.set(VHID, 'BACKUP');
  t.equal(await role(next, 'BACKUP'), false);
  t.equal(via(), 'none', 'not into a closed gate, and not to a partner that may not carry');
  t.equal(await next.outcome({ verb: 'route', session, via: 'partner' }), 'done');
  carp.set(VHID, 'MASTER');
  t.equal(await role(next, 'MASTER'), true);
  t.equal(via(), 'session', 'armed as before');
  await finish(t, armed, helper, next);
});

t.test(
  'freebsd › the edge to MASTER shows the switches its MAC, with no supervisor alive',
  async (t) => {
    const armed = await standby(t);
    const { life, helper, client } = armed;
    const { heard, kernel } = life.router;
    client.end();
    heard.length = 0;
    kernel.carp.set(VHID, 'MASTER');
    const next = await Client.greet(helper.path);
    await next.until('the edge', () => helper.lines.find((line) => line.includes('-> MASTER')));
    const presence = encodeAnnounce(SESSION.mac, PRESENCE);
    t.strictSame(
      heard.map((frame) => frame.slice(0, presence.length)),
      [presence],
    );
    t.equal(decodeAnnounce(heard[0] ?? new Uint8Array(), SESSION.mac), undefined, 'no claim');
    heard.length = 0;
    kernel.carp.set(VHID, 'BACKUP');
    t.equal(await role(next, 'BACKUP'), false);
    t.strictSame(heard, [], 'and says nothing when it leaves');
    await finish(t, armed, helper, next);
  },
);

t.test('freebsd › what the supervisor asks for after the edge is so already', async (t) => {
  const armed = await standby(t);
  const { life, helper, client, via } = armed;
  life.router.kernel.carp.set(VHID, 'MASTER');
  t.equal(await role(client, 'MASTER'), true);
  const told = client.notices.map(({ notice }) => notice);
  t.strictSame(told, ['forwarded', 'role']);
  const parts = client.notices[0] as Extract<Notice, { notice: 'forwarded' }>;
  t.ok(parts.gate <= parts.up && parts.up <= parts.route && parts.route <= parts.told);
  for (const wish of [
    CONFIGURE,
    ARM,
    { verb: 'gate', session, open: true },
    { verb: 'route', session, via: 'session' },
  ] as const)
    t.equal(await client.outcome(wish), 'done', wish.verb);
  t.equal(via(), 'session');
  await finish(t, armed, helper, client);
});

t.test('freebsd › the edge does not wait for the record of the demotion before it', async (t) => {
  const life = await Life.make(t);
  const records: string[] = [];
  const disk: Disk = {
    ...DISK,
    replace(path, text, mode) {
      records.push(text);
      DISK.replace(path, text, mode);
    },
  };
  // No timer fires: what is written is written in the midst of a request.
  const helper = life.start([SESSION], { disk, now: () => 0 });
  const client = await Client.greet(helper.path);
  t.equal(await client.outcome(ARM), 'done');
  t.equal(await client.outcome({ verb: 'demote', session, on: true }), 'done');
  t.equal(records.length, 1, 'before it is in force');
  t.equal(await client.outcome({ verb: 'demote', session, on: false }), 'done');
  t.equal(records.length, 1);
  life.router.kernel.carp.set(VHID, 'MASTER');
  t.equal(await role(client, 'MASTER'), true);
  t.equal(records.length, 1);
  client.end();
  await stop(helper);
  t.match(records[1], /"demoted":\[\]/, 'it is not forgotten by a helper that stops');
  t.equal(records.length, 2);
  await stop(life.start(), 'remove');
});

t.test('freebsd › a MASTER never routes via its partner, whoever asks (R13)', async (t) => {
  const armed = await standby(t, { ...ATTACH, autoOpen: false });
  const { life, helper, client, via } = armed;
  const partner = { verb: 'route', session, via: 'partner' } as const;
  life.router.kernel.carp.set(VHID, 'MASTER');
  t.equal(await role(client, 'MASTER'), false, 'no leave to open');
  t.equal(via(), 'none', 'gone at the edge itself');
  t.equal(await client.outcome(partner), 'EPERM');
  t.equal(via(), 'none');
  t.equal(await client.outcome({ verb: 'gate', session, open: true }), 'done');
  t.equal(via(), 'session', 'an opening by request is the same act');
  t.ok(life.router.kernel.interfaces.get(session).isUp);
  t.equal(await client.outcome(partner), 'EPERM');
  t.equal(await client.outcome({ verb: 'gate', session, open: false }), 'done');
  t.equal(via(), 'none');
  t.equal(await client.outcome(partner), 'EPERM');
  await finish(t, armed, helper, client);
});

t.test(
  'freebsd › a helper that finds itself MASTER removes the route via its partner',
  async (t) => {
    const armed = await standby(t);
    const { life, helper, client, via } = armed;
    helper.process.kill();
    await client.untilClosed();
    life.router.kernel.carp.set(VHID, 'MASTER');
    const second = life.start();
    t.equal(via(), 'none');
    await finish(t, armed, second, client);
  },
);

t.test(
  'freebsd › a helper killed between gate and route leaves no route via the partner to the next',
  async (t) => {
    const armed = await standby(t);
    const { life, helper, client, via } = armed;
    helper.process.kill();
    await client.untilClosed();
    class Killed extends FreebsdBackend {
      override start(policy: SessionPolicy): SessionVerbs {
        return Object.assign(super.start(policy), { raise: () => dying.process.kill() });
      }
    }
    const dying = life.start([SESSION], { makeBackend: (context) => new Killed(context) });
    const again = await Client.greet(dying.path);
    t.equal(await again.outcome(ARM), 'done');
    t.equal(await again.outcome({ verb: 'route', session, via: 'partner' }), 'done');
    life.router.kernel.carp.set(VHID, 'MASTER');
    await again.untilClosed();
    t.equal(via(), 'partner', 'as the edge left it');
    const next = life.start();
    t.equal(via(), 'none', 'with no supervisor connected');
    const last = await Client.greet(next.path);
    t.match(await state(last), { gateOpen: true, attached: KEY });
    t.equal(await last.outcome({ ...CONFIGURE, up: true }), 'done');
    t.equal(await last.outcome({ verb: 'route', session, via: 'session' }), 'done');
    last.end();
    next.process.kill();
    await last.untilClosed();
    const adopting = life.start();
    t.equal(via(), 'session', 'a route into the session is left alone');
    await finish(t, armed, adopting, client);
  },
);

t.test('freebsd › without addresses the edge opens the gate and leaves the rest', async (t) => {
  const life = await Life.make(t);
  const helper = life.start();
  const client = await Client.greet(helper.path);
  t.equal(await client.outcome(ATTACH), 'done');
  life.router.kernel.carp.set(VHID, 'MASTER');
  t.equal(await role(client, 'MASTER'), true);
  t.equal(life.router.kernel.routes.count(), 0);
  t.notOk(life.router.kernel.interfaces.get(session).isUp);
  t.notMatch(helper.lines.join('\n'), /ENOTCONN/);
  client.end();
  await stop(helper, 'remove');
});

t.test('freebsd › settings beyond the policy arm nothing', async (t) => {
  const life = await Life.make(t);
  const helper = life.start();
  const client = await Client.greet(helper.path);
  const { verb: _, session: __, up: ___, ...settings } = CONFIGURE;
  for (const wrong of [
    { mtu: 1493 },
    { ourAddress: Uint8Array.of(127, 0, 0, 1) },
    { theirAddress: PARTNER },
  ])
    t.equal(
      await client.outcome({ ...ATTACH, settings: { ...settings, ...wrong } }),
      'EINVAL',
      JSON.stringify(wrong),
    );
  t.match(await state(client), { attached: null });
  client.end();
  await stop(helper, 'remove');
});

t.test('freebsd › of several sessions every gate moves before anything else', async (t) => {
  const life = await Life.make(t);
  const calls: string[] = [];
  class Recording extends FreebsdBackend {
    override start(policy: SessionPolicy): SessionVerbs {
      const { name } = policy;
      const verbs = super.start(policy);
      const { gate, announce, raise, route } = verbs;
      return Object.assign(verbs, {
        gate(open: boolean) {
          calls.push(`gate ${name} ${open ? 'open' : 'closed'}`);
          gate.call(verbs, open);
        },
        announce(announced: Announced) {
          calls.push(`announce ${name}`);
          announce.call(verbs, announced);
        },
        raise(settings: SessionSettings) {
          calls.push(`raise ${name}`);
          raise.call(verbs, settings);
        },
        route(via: Via) {
          calls.push(`route ${name} ${via}`);
          route.call(verbs, via);
        },
      });
    }
  }
  const helper = life.start([SESSION, OTHER], {
    makeBackend: (context) => new Recording(context),
  });
  const client = await Client.greet(helper.path);
  const theirAddress = Uint8Array.of(198, 51, 100, 2);
  const ourAddress = Uint8Array.of(198, 51, 100, 8);
  const { verb: _, session: __, up: ___, ...settings } = CONFIGURE;
  const key = { sessionId: 0x4321, acMac: Uint8Array.of(2, 0, 0, 0, 0, 0xad) };
  t.equal(await client.outcome(ARM), 'done');
  t.equal(
    await client.outcome({
      ...ATTACH,
      session: OTHER.name,
      key,
      settings: { ...settings, ourAddress, theirAddress },
    }),
    'done',
  );
  calls.length = 0;
  const { carp } = life.router.kernel;
  carp.set(VHID, 'MASTER');
  await client.until('both edges', () => client.notices.filter((n) => n.notice === 'role')[1]);
  t.strictSame(calls, [
    'gate pppoe0 open',
    'gate pppoe1 open',
    'announce pppoe0',
    'raise pppoe0',
    'route pppoe0 session',
    'announce pppoe1',
    'raise pppoe1',
    'route pppoe1 session',
  ]);
  calls.length = 0;
  carp.set(VHID, 'BACKUP');
  await client.until('both edges', () => client.notices.filter((n) => n.notice === 'role')[3]);
  t.strictSame(calls, [
    'gate pppoe0 closed',
    'gate pppoe1 closed',
    'route pppoe0 none',
    'route pppoe1 none',
  ]);
  client.end();
  await stop(helper, 'remove');
});

t.test('freebsd › an edge touches no disk, in either direction', async (t) => {
  const life = await Life.make(t);
  const touched: string[] = [];
  const disk: Disk = {
    read: (path) => (touched.push(path), DISK.read(path)),
    replace: (path, text, mode) => (touched.push(path), DISK.replace(path, text, mode)),
    remove: (path) => (touched.push(path), DISK.remove(path)),
    makeDirectory: (path, mode) => (touched.push(path), DISK.makeDirectory(path, mode)),
  };
  const helper = life.start(undefined, { disk });
  const client = await Client.greet(helper.path);
  t.equal(await client.outcome(ARM), 'done');
  t.equal(await client.outcome({ verb: 'demote', session, on: true }), 'done');
  t.ok(touched.length > 0, 'a demotion is recorded');
  touched.length = 0;
  for (const wanted of ['MASTER', 'BACKUP', 'MASTER'] as const) {
    life.router.kernel.carp.set(VHID, wanted);
    await role(client, wanted);
  }
  t.strictSame(touched, []);
  client.end();
  await stop(helper, 'remove');
});
