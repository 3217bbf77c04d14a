import t from 'tap';
import { cannotRun, resultOf } from './guest.ts';

const skip = await cannotRun();
const result = skip === false ? await resultOf('in-router', ['helper']) : {};

t.test(
  'linux › a helper that was killed takes the session up again when it is started',
  { skip },
  async (t) => {
    const done = ['done', 'done', 'done', 'done'];
    t.same(result['first'], done);
    t.same(result['second'], done, 'the next one takes the same session');
    t.equal(result['firstEcho'], true);
    // CAP_NET_ADMIN is 12, CAP_NET_RAW 13.
    t.match(result['capabilities'], /^0*3000$/, 'all of it with the two capabilities of the unit');
    t.equal(result['secondEcho'], true, 'and hears the AC');
    t.equal(result['attachedWhileDead'], false, 'the kernel ends what a killed process holds');
    // How long the runtime takes to start says more about a busy test host than about the helper.
    const joining = Number(result['carriedAfter']) - Number(result['socketAfter']);
    const most = Math.max(250, Number(result['socketAfter']));
    t.ok(joining <= most, `joined ${joining} ms after its socket was there, in ${most}`);
    t.comment(
      `socket ${result['socketAfter']} ms, session ${result['carriedAfter']} ms after the start`,
    );
    t.equal(result['exitCode'], 0, 'a stop is no failure');
    t.equal(result['lineKept'], true, 'and leaves the line for the next helper');
    t.equal(result['removed'], true, 'a removal leaves nothing');
    t.equal(result['padt'], 0, 'and none of it says a PADT');
  },
);

t.test('linux › a session whose descriptors are kept outlives its helper', { skip }, async (t) => {
  const done = ['done', 'done', 'done', 'done'];
  const OPEN = '4660 open';
  const kept = result['kept'] as Record<string, unknown>;
  t.equal(kept['names'], 'wan wan', 'socket and unit are kept');
  t.equal(kept['whileDead'], true, 'without a helper packets pass');
  t.equal(kept['adopted'], OPEN, 'the next helper has the session, gate open');
  t.equal(kept['sameInterface'], true, 'on the same interface');
  t.equal(kept['routeKept'], true, 'with its route');
  t.same(kept['repeated'], done, 'its supervisor repeats what it asked the first for');
  t.equal(kept['sameAfter'], true, 'which changes nothing');
  t.equal(kept['echo'], true, 'the AC is heard');
  t.equal(kept['namesAfter'], 'wan wan', 'and the session is kept again');

  t.equal(kept['openWithoutRole'], true, 'while no helper lives the gate stays as it was');
  t.equal(kept['roleLost'], '4660 closed', 'the next helper closes it, if the role has gone');
  t.equal(kept['forwardsAfter'], false, 'and nothing passes');

  t.same(kept['cannotStart'], [false, ''], 'a helper that cannot start ends the session');

  t.equal(kept['stopped'], true, 'a restart leaves the session');
  t.equal(kept['storeClosed'], false, 'a stop, at which systemd closes the store, ends it');
});
