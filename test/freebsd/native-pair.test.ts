/**
 * Two whole routers on a real FreeBSD kernel, in vnet jails: helper, supervisor, CARP, an Access Concentrator, a LAN. As
 * root on FreeBSD only; elsewhere it is skipped, with the reason. What makes it and what is done is `native/`.
 *
 *     PPP_THING_TEST_AC    lab unless given; pppoed: FreeBSD's own, in the host's own network stack
 *     PPP_THING_TEST_KEEP  leave the logs where they are, also if all is well
 *     PPP_THING_TEST_PATIENCE  multiplies every limit: 4 on an emulator that others share
 */
import { setTimeout as wait } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { loadLibc } from '@ppp-thing/helper/libc';
import { askStatus } from './native/ask-status.ts';
import { hostCommands } from './native/commands.ts';
import { missingFor, missingForPf } from './native/needs.ts';
import { Pair, writeStory } from './native/pair.ts';
import { PLACE } from './native/place.ts';
import { describeRun } from './native/run.ts';
import { dial, judgeLine, MOVES, play, SCENES } from './native/scenes.ts';
import { Steps } from './native/steps.ts';
import { stopTranslating, translate } from './native/translation.ts';

const {
  PPP_THING_TEST_AC: ac = 'lab',
  PPP_THING_TEST_KEEP: keep,
  PPP_THING_TEST_PATIENCE: patience = '1',
  PPP_THING_TEST_LIBC: foreign,
} = process.env;
function reasonToSkip(): string | false {
  if (foreign !== undefined)
    return 'PPP_THING_TEST_LIBC gives one router, not a host that runs commands';
  if (process.platform !== 'freebsd') return `this is ${process.platform}, not FreeBSD`;
  return process.getuid?.() === 0 ? false : 'not root';
}

if (ac !== 'lab' && ac !== 'pppoed') throw new Error(`PPP_THING_TEST_AC is ${ac}: lab or pppoed`);

const story: string[] = [];
/** The test that is under way: what is said stands among its results, as TAP wants it. */
let current: Pick<Test, 'comment'> | undefined;
const say = (line: string): void => {
  const seconds = (performance.now() / 1000).toFixed(2).padStart(7);
  story.push(`[${seconds}] ${line}`);
  for (const part of `[${seconds}] ${line}`.split('\n'))
    if (current === undefined) process.stdout.write(`# ${part}\n`);
    else current.comment(part);
};
/** Every command is in the story; on the terminal only what happens. */
const note = (line: string): void => void story.push(line);

const skip = reasonToSkip();
const halt = new AbortController();
const pair = new Pair({
  ac,
  commands: hostCommands(note, process.env, halt.signal),
  clearing: hostCommands(note),
  halt: halt.signal,
  say,
  ask: askStatus,
  runtime: process.execPath,
  place: PLACE,
  pause: (milliseconds) => wait(milliseconds),
  patience: Number(patience),
  now: () => performance.now(),
});
const steps = new Steps(pair, halt);

let failed = false;
let sessionId: number | undefined;
let before: readonly (readonly string[])[] = [];

/** A step that others build on: its failure is told with all there is to know, and what follows is skipped. */
function step(name: string, run: () => Promise<void>, needs: () => string | undefined): void {
  void t.test(`pair › ${name}`, { skip }, async (t) => {
    current = t;
    const missing = needs();
    if (missing !== undefined) {
      t.fail(`not tried: ${missing}`);
      return;
    }
    try {
      await steps.run(() => {
        say(name);
        return run();
      });
      t.pass(name);
    } catch (error) {
      failed = true;
      const message = error instanceof Error ? error.message : String(error);
      say(`FAILED: ${message}`);
      if (!steps.isInterrupted) await pair.explain();
      t.fail(message);
    }
  });
}

const isKept = (): boolean => failed || keep !== undefined;
function writeLogs(): void {
  if (!isKept()) return;
  writeStory(PLACE, story);
  say(`logs, captures and every command: ${PLACE}`);
}

if (skip === false) {
  for (const line of describeRun(await loadLibc())) say(line);
  // More of them are one: the run ends once.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (steps.isInterrupted) return;
      failed = true;
      say(`${signal}: the step is stopped, then everything is taken apart`);
      void steps.interrupt(signal, true).then((remained) => {
        for (const line of remained) say(`remained: ${line}`);
        writeLogs();
        process.exit(1);
      });
    });
}

let isBuilt = false;
const network = (): string | undefined => (isBuilt ? undefined : 'there is no network');
const session = (): string | undefined =>
  sessionId === undefined ? 'there is no session' : undefined;

let canBegin = false;
step(
  'the host has what the run needs',
  async () => {
    const { commands } = pair.options;
    const missing = await missingFor(commands, ac);
    if (missing.length > 0) throw new Error(missing.join('; '));
    for (const each of await missingForPf(commands)) say(`NAT will not be shown: ${each}`);
    canBegin = true;
  },
  () => undefined,
);

step(
  'jails, cables, CARP',
  async () => {
    await pair.build();
    const inventories: string[][] = [];
    for (const router of pair.routers) inventories.push(await router.inventory());
    before = inventories;
    isBuilt = true;
  },
  () => (canBegin ? undefined : 'the host lacks what is needed'),
);

step(
  'two routers start, and one dials',
  async () => {
    await pair.startAc();
    pair.startRouters();
    const { sessionId: id, text } = await dial(pair);
    sessionId = id;
    say(text);
  },
  network,
);

step(
  'traffic runs through the session',
  async () => {
    await pair.startTraffic();
    say(await pair.trafficRuns(60_000));
  },
  session,
);

step(
  'pppthingctl doctor says nothing against our own nodes',
  async () => {
    for (const router of pair.routers) {
      const found = await router.doctor();
      say(`${router.name}:\n${found.trim()}`);
      const isChecked = found.includes('no other program has the hook of a line');
      if (!isChecked || /orphans|hub|pthr_|pthk_/.test(found))
        throw new Error(`${router.name}: ${found}`);
    }
  },
  session,
);

for (const scene of SCENES)
  step(scene.name, async () => say((await play(scene, pair, sessionId ?? 0)).text), session);

let noTranslation: string | undefined = 'pf and pfsync could not be started';
step(
  'pf with NAT to the stub, and pfsync',
  async () => {
    noTranslation = await translate(pair);
    if (noTranslation !== undefined) say(`not shown here: ${noTranslation}`);
  },
  session,
);
for (const scene of MOVES)
  step(
    `through NAT: ${scene.name}`,
    async () => {
      if (noTranslation === undefined) say((await play(scene, pair, sessionId ?? 0)).text);
      else say(`not shown here: ${noTranslation}`);
    },
    session,
  );

step(
  'stopped, the session is left in the kernel, and goes on',
  async () => {
    for (const router of pair.routers) await router.stop();
    await pair.beginTraffic();
    say(await pair.trafficRuns(60_000));
  },
  session,
);

step(
  'removed, nothing is left: nodes, interfaces, routes, demotion, flags',
  async () => {
    await stopTranslating(pair);
    for (const router of pair.routers) await router.remove();
    const left = await pair.leftovers(before);
    if (left.length > 0) throw new Error(`left in the kernel:\n${left.join('\n')}`);
  },
  network,
);

step(
  'no PADT and no Terminate-Request in all that time, and one dial',
  async () => {
    await judgeLine(pair, sessionId ?? 0);
    const line = await pair.line();
    const seen = pair.padtSeenByTcpdump();
    say(`${line.frames} frames, ${line.padi} PADI, ${line.moved} moves of a MAC address`);
    if (seen === undefined) say('tcpdump(1) did not run: only our own witness saw the line');
    else if (seen > 0) throw new Error(`${seen} PADT seen by tcpdump(1)`);
  },
  session,
);

void t.test('pair › everything is removed from the host', { skip }, async (t) => {
  current = t;
  t.strictSame(await steps.end(isKept()), []);
  writeLogs();
});
