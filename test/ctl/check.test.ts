/** `pppthingctl status --check`: the line and the exit code that a monitoring system reads. */
import t from 'tap';
import type { SessionStatusJson, StatusJson } from '@ppp-thing/supervisor/api';
import { judgement } from '@ppp-thing/ctl/check';
import { bench, holding } from '../supervisor/status-bench.ts';
import { ctl } from './bench.ts';

t.test('check › a supervisor that does not answer is UNKNOWN', async (t) => {
  const { code, out } = await ctl('/nonexistent', 'status', '--check');
  t.equal(code, 3);
  t.match(out, /^PPP_THING UNKNOWN - connect .*ENOENT.*\n$/);
});

t.test('check › a session that is held and proven, in one line', async (t) => {
  const { directory } = await holding(t);
  const { code, out } = await ctl(directory, 'status', '--check');
  t.match(out, /^PPP_THING (OK|WARNING) - pppoe0: [^\n]*\n$/);
  t.equal(code, out.includes('OK') ? 0 : 1);
});

t.test('check › no helper is CRITICAL', async (t) => {
  const { directory } = await bench(t, { helper: false });
  const { code, out } = await ctl(directory, 'status', '--check');
  t.match({ code, out }, { code: 2, out: /^PPP_THING CRITICAL - pppoe0: the helper is away/ });
});

t.test('check › each trouble has its level, and the worst decides', async (t) => {
  const { directory, ask } = await holding(t);
  t.ok(directory);
  const status = JSON.parse((await ask('status', 'GET', '/v1/status')).body) as StatusJson;
  const [first] = status.sessions;
  if (first === undefined) throw new Error('no session');
  const partner = { ...first.partner, healthy: true, inSync: true, armed: true };
  const well: SessionStatusJson = {
    ...first,
    holder: 'this router',
    proven: true,
    armed: false,
    demoted: [],
    partner,
  };
  const routers = { ...status, partner: { ...status.partner, routerId: 2 } };
  const said = (session: Partial<SessionStatusJson>) =>
    judgement({ ...routers, sessions: [{ ...well, ...session }] }, []);
  t.strictSame(said({}), [0, 'PPP_THING OK - pppoe0: this router holds the session']);
  t.equal(said({ holder: 'partner', proven: false, armed: true })[0], 0);
  for (const [session, level, text] of [
    [{ proven: false }, 2, 'the AC does not answer'],
    [{ holder: 'nobody', proven: false }, 2, 'no router holds the session'],
    [{ holder: 'partner', proven: false }, 1, 'not ready to take over'],
    [{ partner: { ...partner, healthy: false } }, 1, 'the partner is away or not fit'],
    [{ partner: { ...partner, inSync: false } }, 1, 'the partner is not in sync'],
    [{ partner: { ...partner, armed: false } }, 1, 'the partner is not ready to take over'],
    [{ demoted: ['watchdog'] }, 1, 'demoted: watchdog'],
  ] as const)
    t.strictSame(said(session as Partial<SessionStatusJson>), [
      level,
      `PPP_THING ${level === 2 ? 'CRITICAL' : 'WARNING'} - pppoe0: ${text}`,
    ]);
  t.match(said({ proven: false, demoted: ['handoff'] }), [2, /CRITICAL.*not answer; .*demoted/]);
});
