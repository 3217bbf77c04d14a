import t from 'tap';
import { limitedLog } from '@ppp-thing/helper/log';

/** A log into which a thousand warnings came in its first second. */
function flooded() {
  const lines: string[] = [];
  const clock = { now: 0 };
  const log = limitedLog(
    (line) => lines.push(line),
    () => clock.now,
  );
  for (let i = 0; i < 1000; i++) log(`admit supervisor: EPERM: ${i}`);
  return { lines, log, clock };
}

t.test('log › what comes too fast is counted, and told', async (t) => {
  const { lines, log, clock } = flooded();
  t.equal(lines.length, 100);
  t.equal(lines[99], 'helper: admit supervisor: EPERM: 99');
  clock.now = 1000;
  log('next');
  t.strictSame(lines.slice(100), ['helper: 900 more lines in one second', 'helper: next']);
});

t.test('log › warnings that come too fast hide no edge of the role', async (t) => {
  const { lines, log, clock } = flooded();
  log('pppoe0 role: MASTER -> BACKUP on CARP [gate closed]', 'info');
  t.match(lines.at(-1), /role: MASTER -> BACKUP/);
  clock.now = 1000;
  log('next');
  t.equal(lines.at(-2), 'helper: 900 more lines in one second');
});

t.test('log › a line is one line', async (t) => {
  const lines: string[] = [];
  limitedLog(
    (line) => lines.push(line),
    () => 0,
  )('a\nb\u001b[2J');
  t.strictSame(lines, ['helper: a?b?[2J']);
});

t.test('log › journald is told how urgent a line is', async (t) => {
  const lines: string[] = [];
  const log = limitedLog(
    (line) => lines.push(line),
    () => 0,
    true,
  );
  log('attach pppoe0: EBUSY: taken');
  log('serve /run/ppp_thing/helper.sock: backend linux, pid 1', 'info');
  t.strictSame(lines, [
    '<4>helper: attach pppoe0: EBUSY: taken',
    '<6>helper: serve /run/ppp_thing/helper.sock: backend linux, pid 1',
  ]);
});
