import t from 'tap';
import { cannotRun, resultOf } from './guest.ts';

const skip = await cannotRun();

t.test(
  'linux › a helper that was killed takes the session up again when it is started',
  { skip },
  async (t) => {
    const result = await resultOf('in-router', ['helper']);
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
