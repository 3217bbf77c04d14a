import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import { holding } from './status-bench.ts';
import t, { type Test } from 'tap';
import { encodeMessage } from '@ppp-thing/protocol/ipc/framing';
import { PROTOCOL_VERSION } from '@ppp-thing/protocol/ipc/messages';
import { parseConfig } from '@ppp-thing/supervisor/config';
import { Log } from '@ppp-thing/supervisor/log';
import { Running } from '@ppp-thing/supervisor/running';
import { Store } from '@ppp-thing/supervisor/store';
import { thisSystem, type System } from '@ppp-thing/supervisor/system';
import type { Happening } from '@ppp-thing/supervisor/supervisor';
import { holderSays, LEASE, SNAPSHOT } from '../fixtures/partner.ts';
import { friendly, Happenings, Script, STATE } from './script.ts';

interface Bench {
  readonly folder: string;
  readonly running: Running;
  readonly script: Script;
  readonly happenings: Happening[];
  readonly told: Happenings;
  readonly lines: string[];
}

const session = (name: string, mac: string): string => `
[session.${name}]
interface = "em0"
mac = "${mac}"
user = "someone"
password = "hunter2"
carp_address = "192.168.7.1"
`;

const COUNTERS = { octetsIn: 1, octetsOut: 2, packetsIn: 3, packetsOut: 4 };

/** Two sessions, of which the helper knows pppoe0 only; pppoe0 was stored. */
async function bench(
  t: Test,
  prepare: (folder: string) => void = () => undefined,
  hooks = '',
  system: System = thisSystem,
  more = '',
): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-running-'));
  const path = join(folder, 'helper.sock');
  const script = new Script((request) =>
    request.verb === 'counters' ? [{ id: request.id, done: COUNTERS }] : friendly(request),
  );
  await script.listen(path);
  const config = parseConfig(
    `[helper]
socket = "${path}"
[supervisor]
log_level = "debug"
${hooks}
${session('pppoe0', '02:00:5e:10:53:01')}${more}${session('pppoe1', '02:00:5e:10:53:02')}`,
    'test.conf',
    () => '',
  );
  const lines: string[] = [];
  const log = new Log(
    'debug',
    (line) => lines.push(line),
    () => 0,
  );
  const state = join(folder, 'state');
  new Store(state, log).save('pppoe0', SNAPSHOT);
  prepare(state);
  const running = new Running({
    config,
    version: '0.0.0',
    log,
    store: new Store(state, log),
    partner: undefined,
    system,
  });
  const happenings: Happening[] = [];
  const told = new Happenings();
  running.subscribe((happening) => {
    happenings.push(happening);
    told.tell(`${happening.session} ${happening.note.on}`);
  });
  t.teardown(async () => {
    running.stop();
    await script.die();
    rmSync(folder, { recursive: true });
  });
  running.start();
  await script.happened.until('route');
  return { folder, running, script, happenings, told, lines };
}

const role = (value: 'MASTER' | 'BACKUP'): Uint8Array =>
  encodeMessage({ notice: 'role', session: 'pppoe0', role: value, gateOpen: value === 'MASTER' });

t.test(
  'running › a packet that comes before the helper has sent our last one has crossed it, and no other has',
  async (t) => {
    const crossed: boolean[] = [];
    const makeEngine: System['makeEngine'] = (...made) => {
      const engine = thisSystem.makeEngine(...made);
      const handle = engine.handle.bind(engine);
      engine.handle = (event, now) => {
        if (event.kind === 'ppp') crossed.push(event.crossed === true);
        return handle(event, now);
      };
      return engine;
    };
    const { script, told } = await bench(t, undefined, '', { ...thisSystem, makeEngine });
    const octets = Uint8Array.of(11, 1, 0, 8, 0, 0, 0, 0);
    const discard = { notice: 'ppp-frame', session: 'pppoe0', protocol: 0xc021, packet: octets };
    const { answer } = script;
    // What an earlier helper has not answered for, a new one never will.
    script.answer = (request) => (request.verb === 'ppp-send' ? [] : answer(request));
    script.say(role('MASTER'));
    await script.happened.until('ppp-send');
    script.hangUp();
    await script.happened.until('hello', 2);
    script.answer = (request) =>
      request.verb === 'ppp-send' ? [discard, ...answer(request), discard] : answer(request);
    script.say(role('MASTER'));
    await told.until('pppoe0 role MASTER', 2);
    while (crossed.length < 2) await new Promise(setImmediate);
    t.strictSame(crossed.slice(0, 2), [true, false]);
  },
);

const FORGED = Uint8Array.from({ length: 17 }, (_, i) => i + 1);

t.test(
  'running › a session is shown with its settings, status, counters and recent notes',
  async (t) => {
    const { running, script, told, happenings } = await bench(t);
    const steps = { gate: 200, up: 300, route: 400, told: 500 };
    script.say(encodeMessage({ notice: 'forwarded', session: 'pppoe0', ...steps }));
    script.say(role('MASTER'));
    await told.until('pppoe0 role MASTER');
    await script.happened.until('ppp-send');
    const view = running.session('pppoe0');
    t.match(view, {
      name: 'pppoe0',
      settings: {
        interface: 'em0',
        mac: '02:00:5e:10:53:01',
        user: 'someone',
        policy: 'follow-carp',
      },
      status: { state: 'Holding', role: 'MASTER', helper: true, snapshot: { epoch: 43 } },
      counters: { framesIn: 0, framesOut: 1, stores: 1, storeFailures: 0, datagramsOut: 0 },
      takeoverParts: { gate: 0.2, up: 0.3, route: 0.4, stored: Number, asked: Number },
    });
    t.strictSame(
      view?.recent.map(({ sequence }) => sequence),
      happenings
        .filter(({ session, note }) => session === 'pppoe0' && note.level !== 'debug')
        .map(({ sequence }) => sequence),
    );
    t.match(view?.recent.at(0)?.line, /^pppoe0 owner: Waiting -> Standby on helper-up/);
    t.notMatch(JSON.stringify(running.sessions()), /hunter2/);
    t.strictSame(
      running.sessions().map(({ name }) => name),
      ['pppoe0', 'pppoe1'],
    );
  },
);

t.test('running › hooks follow the role, and what SIGHUP brings from then on', async (t) => {
  const { running, script, lines } = await bench(t, undefined, '[hooks]\nbackup = "/usr/bin/true"');
  const logged = async (text: string): Promise<void> => {
    while (!lines.some((line) => line.includes(text)))
      await new Promise<void>((resolve) => setImmediate(resolve));
  };
  await logged('pppoe0: hook backup: /usr/bin/true: exit status 0');
  running.setHooks({ programs: { master: '/usr/bin/false' }, limit: 1000 });
  script.say(role('MASTER'));
  await logged('warn: pppoe0: hook master: /usr/bin/false: exit status 1');
});

t.test('running › a session that the helper does not know is reported, and waits', async (t) => {
  const { running, lines } = await bench(t);
  t.equal(running.session('pppoe1')?.status.helper, false);
  t.ok(
    lines.includes(
      'error: pppoe1: the helper does not know this session: its log tells why the session has not started; or restart ppp_thing_helper, which read an older configuration',
    ),
  );
});

t.test('running › a helper with another mac for a session is not believed', async (t) => {
  const { script, lines, running } = await bench(t);
  const state = { ...STATE, ourMac: Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 9) };
  const done = { version: PROTOCOL_VERSION, platform: 'freebsd', pid: 1, sessions: [state] };
  script.answer = (request) =>
    request.verb === 'hello' ? [{ id: request.id, done }] : friendly(request);
  script.say(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  await script.happened.until('hello', 2);
  while (!lines.some((line) => line.includes('the helper has mac 02:00:5e:10:53:09 for it')))
    await new Promise<void>((resolve) => setImmediate(resolve));
  t.equal(running.session('pppoe0')?.status.helper, false);
});

t.test('running › the operator’s verbs are taken, or refused with the reason', async (t) => {
  const { running, told, script } = await bench(t);
  t.strictSame(running.admin('pppoe9', 'connect'), {
    accepted: false,
    reason: 'there is no session pppoe9',
  });
  const refused = running.admin('pppoe0', 'handoff');
  t.notOk(refused.accepted);
  t.match(refused, { reason: /handoff/ });
  script.say(role('MASTER'));
  await told.until('pppoe0 role MASTER');
  t.strictSame(running.admin('pppoe0', 'disconnect'), { accepted: true });
  await told.until('pppoe0 operator disconnect');
  t.equal(running.session('pppoe0')?.status.state, 'HangingUp');
});

t.test('running › the kernel’s counters are asked of the helper', async (t) => {
  const { running, script } = await bench(t);
  t.strictSame(await running.traffic('pppoe0'), COUNTERS);
  t.equal(await running.traffic('pppoe9'), undefined);
  await script.die();
  while (running.helper().connected) await new Promise<void>((resolve) => setImmediate(resolve));
  t.equal(await running.traffic('pppoe0'), undefined);
  t.strictSame(running.admin('pppoe0', 'connect'), {
    accepted: false,
    reason: 'the helper does not answer',
  });
});

t.test('running › the log level can be changed, and a subscriber can leave', async (t) => {
  const { running, happenings, script, told } = await bench(t);
  running.setLogLevel('warn');
  t.equal(running.logLevel(), 'warn');
  const late: Happening[] = [];
  const leave = running.subscribe((happening) => late.push(happening));
  leave();
  const before = happenings.length;
  script.say(role('MASTER'));
  await told.until('pppoe0 role MASTER');
  t.ok(happenings.length > before);
  t.strictSame(late, []);
});

t.test('running › a request that the kernel refused is counted by its verb', async (t) => {
  const { running, script, told } = await bench(t);
  const failed = { verb: 'ng_pppoe', subject: 'pppoe0', code: 'ENXIO', reason: 'gone' };
  script.answer = (asked) =>
    asked.verb === 'attach' ? [{ id: asked.id, failed }] : friendly(asked);
  script.say(role('MASTER'));
  const counters = (): unknown => running.session('pppoe0')?.counters;
  while (running.session('pppoe0')?.counters.refusals === 0) await told.next();
  t.match(counters(), { refusals: 1, refusalsByVerb: { attach: 1 } });
});

t.test(
  'running › with a full disk nothing is said that depends on it; with space again all of it is (R5)',
  { skip: existsSync('/dev/full') ? false : 'no /dev/full on this system' },
  async (t) => {
    let trap = '';
    const { running, script, told, folder } = await bench(t, (state) => {
      trap = join(state, 'pppoe0.json.new');
      symlinkSync('/dev/full', trap);
    });
    const before = script.happened.count('gate');
    script.say(role('MASTER'));
    await told.until('pppoe0 store failed');
    t.match(running.session('pppoe0')?.counters, { stores: 0, storeFailures: 1 });
    t.equal(script.happened.count('ppp-send'), 0);
    t.equal(script.happened.count('gate'), before);
    const stored = (): string => readFileSync(join(folder, 'state', 'pppoe0.json'), 'utf8');
    t.match(stored(), /"epoch": 42/);
    unlinkSync(trap);
    await script.happened.until('ppp-send');
    t.match(stored(), /"epoch": 43/);
    t.match(running.session('pppoe0')?.recent.at(-1)?.line ?? '', /pppoe0/);
  },
);

t.test('session › an announce frame that the partner did not prove changes nothing', async (t) => {
  for (const partner of [false, true]) {
    const made = await holding(t, { partner });
    for (const epoch of [1, 43, 44, 2 ** 32 - 1]) {
      made.notice({ notice: 'own-mac-heard', session: 'pppoe0', epoch, proof: NO_PROOF });
      made.notice({ notice: 'own-mac-heard', session: 'pppoe0', epoch, proof: FORGED });
    }
    const dropped = (): number | undefined =>
      made.supervisor.session('pppoe0')?.counters.framesMalformed;
    while (dropped() !== 8) await new Promise((resolve) => setImmediate(resolve));
    const status = made.supervisor.session('pppoe0')?.status;
    t.match(status, { state: 'Holding', snapshot: { epoch: 43 } });
  }
});

t.test('session › a frame that cannot be read is said once for each reason', async (t) => {
  const { running, script, lines } = await bench(t);
  const payloads = [
    // A PADO with a LENGTH beyond its frame; and a PADM, which RFC 2516 does not have.
    Uint8Array.of(0x11, 7, 0, 0, 0, 99, 1, 1, 0, 0),
    Uint8Array.of(0x11, 0xd3, 0, 0, 0, 0),
  ];
  const source = Uint8Array.of(2, 0, 0, 0, 0, 0xac);
  for (let i = 0; i < 50; i++)
    for (const payload of payloads)
      script.say(encodeMessage({ notice: 'discovery-frame', session: 'pppoe0', source, payload }));
  const dropped = (): number => running.session('pppoe0')?.counters.framesMalformed ?? 0;
  while (dropped() < 100) await new Promise((resolve) => setImmediate(resolve));
  const said = lines.filter((line) => line.startsWith('pppoe0: discovery-frame dropped'));
  t.match(said, [
    /^pppoe0: discovery-frame dropped: .*payload of LENGTH/,
    /^pppoe0: discovery-frame dropped: CODE 211 of a discovery packet/,
  ]);
});

t.test(
  'running › a clock that is set moves the stored lease with it, and is said once',
  async (t) => {
    const YEARS = 365 * 86_400;
    let ahead = -40 * YEARS;
    const wallClock = (): number => thisSystem.wallClock() + ahead * 1000;
    const grantedAt = Math.floor(wallClock() / 1000) - 100;
    const lease = { ...LEASE, grantedAt, session: SNAPSHOT.facts?.startedAt ?? 0 };
    let stored = (): string => '';
    const { lines, told, script } = await bench(
      t,
      (state) => {
        new Store(
          state,
          new Log(
            'error',
            () => undefined,
            () => 0,
          ),
        ).save('pppoe0', {
          ...SNAPSHOT,
          lease,
        });
        stored = () => readFileSync(join(state, 'pppoe0.json'), 'utf8');
      },
      '',
      { ...thisSystem, wallClock },
      'ipv6 = true\nprefix_delegation = true',
    );
    script.say(role('MASTER'));
    await told.until('pppoe0 role MASTER');
    t.match(stored(), `"grantedAt": ${grantedAt}`);
    ahead = 0;
    script.say(role('BACKUP'));
    await told.until('pppoe0 role BACKUP');
    t.match(stored(), `"grantedAt": ${grantedAt + 40 * YEARS}`);
    const said = lines.filter((line) => line.includes('the clock was set by'));
    t.equal(said.length, 1);
    t.match(said[0], `the clock was set by ${40 * YEARS} s`);
  },
);

t.test(
  'running › a partner that floods has its first and its last word of a turn stored',
  async (t) => {
    const { running } = await bench(t);
    const stores = (): number => running.session('pppoe0')?.counters.stores ?? 0;
    const epochOf = (): number => running.session('pppoe0')?.status.snapshot.epoch ?? 0;
    const before = stores();
    const say = (epoch: number): void =>
      running.hear('pppoe0', holderSays(2, { ...SNAPSHOT, epoch, holder: 2 }));
    for (let i = 1; i <= 1000; i++) say(100 + i);
    t.equal(epochOf(), 101, 'the first at once');
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    t.equal(epochOf(), 1100, 'then the last');
    t.ok(stores() - before <= 2, `${stores() - before} stores`);
    say(1101);
    t.equal(epochOf(), 1101, 'and the next turn is a new one');
  },
);
