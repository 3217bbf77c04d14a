import t from 'tap';
import { cannotRun, resultOf } from './guest.ts';

const skip = await cannotRun();

t.test(
  'linux › a session that pppd dialled is carried on by another router',
  { skip },
  async (t) => {
    const result = await resultOf('takeover');
    t.match(result['line'], /macvlan mode private/);
    t.match(result['line'], /<BROADCAST,MULTICAST,NOARP,UP,LOWER_UP>/);
    t.equal(result['pppBeforeGate'], 0, 'behind the closed gate the AC is not heard');
    t.equal(result['role'], 'MASTER', 'the role follows the virtual address');
    t.match(result['echoReply'], /^0a770008/, 'the AC answers the first Echo-Request');
    t.equal(result['addresses'], 'wan UNKNOWN 10.67.15.1 peer 10.67.0.1/32');
    t.equal(result['defaultRoute'], 'default dev wan proto 46 scope link');
    t.equal(result['tcpAlive'], true, 'TCP runs through the session');
    t.ok(Number(result['tcpEchoes']) > 0);
    t.same(
      result['ac'],
      { sessions: 1, lcpNegotiations: 1, opened: 1, terminated: 0 },
      'the AC saw one session',
    );
    t.equal(result['leftOver'], false, 'removing leaves no interface and no route');
  },
);
