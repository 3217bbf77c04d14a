/** The lab's waits: named, limited, woken by what happens and ended by a stop. */
import t from 'tap';
import { Bus, StoppedError, WaitError } from '@ppp-thing/lab/demo/bus';
import type { Instant } from '@ppp-thing/protocol/time';

const bus = (): Bus => new Bus(() => 7 as Instant);

t.test('a wait ends with the first happening that fits', async (t) => {
  const it = bus();
  const waiting = it.waitFor('a dial', 1000, (happening) =>
    happening?.kind === 'dial' ? happening.sessionId : undefined,
  );
  it.tell({ kind: 'pong', sequence: 1 });
  it.tell({ kind: 'dial', sessionId: 5 });
  it.tell({ kind: 'dial', sessionId: 6 });
  t.equal(await waiting, 5);
});

t.test('a wait for what is so already ends at once', async (t) => {
  await bus().waitUntil('the truth', 0, () => true);
  t.pass('it did');
});

t.test('a wait whose time is up says what it waited for', async (t) => {
  await t.rejects(
    bus().waitUntil('a session', 1, () => false),
    new WaitError('wait for a session: ETIMEDOUT: not within 1 ms'),
  );
});

t.test('a wait fails with what its condition throws', async (t) => {
  const it = bus();
  const waiting = it.waitFor('a dial', 1000, (happening) => {
    if (happening !== undefined) throw new Error('two sessions');
    return undefined;
  });
  it.tell({ kind: 'dial', sessionId: 5 });
  await t.rejects(waiting, new Error('two sessions'));
});

t.test('a stop ends every wait, those to come too', async (t) => {
  const it = bus();
  const waiting = it.waitUntil('a session', 1000, () => false);
  it.stop(new StoppedError('stopped by SIGINT'));
  await t.rejects(waiting, new StoppedError('stopped by SIGINT'));
  await t.rejects(it.pass(1000), new StoppedError('stopped by SIGINT'));
});

t.test('a listener hears everything, with its time', async (t) => {
  const it = bus();
  const heard: unknown[] = [];
  it.listen((happening) => heard.push(happening));
  it.tell({ kind: 'pong', sequence: 1 });
  t.same(heard, [{ kind: 'pong', sequence: 1, at: 7 }]);
});
