/**
 * A helper on the fake FreeBSD kernel is killed at each call of its start, with a session, an open gate and a demotion in
 * the kernel: the next helper finds all of it, and takes the demotion back once (R10).
 */
import { toHex } from '@ppp-thing/protocol/bytes';
import t from 'tap';
import { DISK, type Disk } from '@ppp-thing/helper/files';
import type { FakeProcess } from '@ppp-thing/lab/freebsd/process';
import { Client } from '../helper/client.ts';
import { ATTACH, CONFIGURE, KEY, Life, role, session, state, stop } from './life.ts';
import { VHID } from './world.ts';

/** What a process that is dead would do next is not done. */
class Killed extends Error {}

/** Kills `process` at a call to the kernel, or to the disk, and at every one after it. */
class Executioner {
  readonly #at: number;
  #calls = 0;
  process: FakeProcess | undefined;

  constructor(at: number) {
    this.#at = at;
  }

  get hasKilled(): boolean {
    return this.#calls >= this.#at;
  }

  readonly before = (call: string): void => {
    // It has started by then, and this test's own client is what it waits for.
    if (call === 'poll') return;
    this.#calls += 1;
    if (!this.hasKilled) return;
    if (this.#calls === this.#at) this.process?.kill();
    throw new Killed(call);
  };
}

/** The real one, with `before` called before each call. */
function countedDisk(before: (call: string) => void): Disk {
  const counted =
    <A extends unknown[], R>(name: string, run: (...args: A) => R) =>
    (...args: A): R => {
      before(name);
      return run(...args);
    };
  return {
    read: counted('read file', DISK.read),
    replace: counted('replace', DISK.replace),
    remove: counted('remove', DISK.remove),
    makeDirectory: counted('make directory', DISK.makeDirectory),
  };
}

/** A start that dies at call `at`; whether it did, or had started before. */
async function startAndDie(life: Life, at: number): Promise<boolean> {
  const executioner = new Executioner(at);
  const process = life.router.waitingProcess({ before: executioner.before });
  executioner.process = process;
  try {
    const helper = life.start(undefined, { process, disk: countedDisk(executioner.before) });
    helper.serving.stop();
    await helper.serving.stopped;
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
  return executioner.hasKilled;
}

t.test('freebsd › killed at any call of its start, a helper leaves all to the next', async (t) => {
  const life = await Life.make(t);
  const { router } = life;
  const { carp } = router.kernel;
  const first = life.start();
  let client = await Client.greet(first.path);
  t.equal(await client.outcome(ATTACH), 'done');
  carp.set(VHID, 'MASTER');
  t.equal(await role(client, 'MASTER'), true);
  t.equal(await client.outcome(CONFIGURE), 'done');
  t.equal(await client.outcome({ verb: 'demote', session, on: true }), 'done');
  t.equal(carp.demotion, 240);
  first.process.kill();
  await client.untilClosed();

  let at = 1;
  for (; await startAndDie(life, at); at++) {
    t.equal(carp.demotion, 240, `call ${at}`);
  }
  t.comment(`${at - 1} calls`);
  t.ok(at > 30, `${at - 1} calls`);

  const next = life.start();
  client = await Client.greet(next.path);
  t.match(await state(client), { attached: KEY, gateOpen: true, role: 'MASTER', demoted: true });
  t.equal(await client.outcome({ verb: 'demote', session, on: false }), 'done');
  t.equal(carp.demotion, 0);
  client.end();
  await stop(next, 'remove');
  t.equal(carp.demotion, 0);
  t.strictSame(router.leftovers(), []);
  t.strictSame(life.padts.map(toHex), [], 'no PADT');
});

t.test('freebsd › killed at any call while it demotes, the demotion is removed once', async (t) => {
  let at = 0;
  for (let isOver = false; !isOver && at < 400;) {
    at += 1;
    const life = await Life.make(t);
    const { carp } = life.router.kernel;
    let executioner: Executioner | undefined;
    const before = (call: string): void => executioner?.before(call);
    const process = life.router.waitingProcess({ before });
    const helper = life.start(undefined, { process, disk: countedDisk(before) });
    helper.serving.stopped.catch((error: unknown) => {
      if (!(error instanceof Killed)) throw error;
    });
    let client = await Client.greet(helper.path);
    const { length } = client.replies;
    executioner = new Executioner(at);
    executioner.process = process;
    client.send({ verb: 'demote', session, on: true });
    const isAnswered = (): boolean => client.replies.length > length;
    await client.until('an answer, or the end', () => client.closed || isAnswered() || undefined);
    isOver = isAnswered();
    executioner = undefined;
    process.kill();
    await client.untilClosed();
    t.ok([0, 240].includes(carp.demotion), `call ${at}: ${carp.demotion}`);
    const next = life.start();
    client = await Client.greet(next.path);
    t.equal(await client.outcome({ verb: 'demote', session, on: false }), 'done');
    t.equal(carp.demotion, 0, `call ${at}`);
    client.end();
    await stop(next, 'remove');
    t.equal(carp.demotion, 0);
  }
  t.ok(at > 3, `${at} calls`);
});
