/** What the lab calls a success, and that it says so in both forms. */
import t from 'tap';
import type { SceneResult } from '@ppp-thing/lab/demo/scenes';
import { formatSummary, summarise, type Findings } from '@ppp-thing/lab/demo/summary';

const scene = (name: string, changes: Partial<SceneResult> = {}): SceneResult => ({
  name,
  title: name,
  sessionId: 4660,
  holder: 'r1',
  redials: 0,
  probesSent: 100,
  probesLost: 0,
  outageMs: 0,
  dhcp6: name === 'dial' ? 4 : 0,
  prefix: '2001:db8:100:1::/64',
  ...changes,
});

const CLEAN: Findings = {
  released: true,
  ipv6Only: '2001:db8:200:1::/64',
  padt: 0,
  lcpNegotiations: 1,
  looped: 0,
  gatesOverlapMs: 3,
  violations: [],
};
const GOOD = [
  scene('dial', { dialMs: 20 }),
  scene('power-cut', {
    holder: 'r2',
    probesLost: 300,
    outageMs: 3010,
    takeoverMs: 3020,
    afterRoleMs: 9,
  }),
];

t.test('one session that moved is a success', async (t) => {
  const summary = summarise(GOOD, CLEAN);
  t.match(summary, {
    ok: true,
    sessionIdBefore: 4660,
    sessionIdAfter: 4660,
    redials: 0,
    takeoverMs: 3020,
    takeoverAfterRoleMs: 9,
    dialMs: 20,
    prefix: '2001:db8:100:1::/64',
    dhcp6: { atDial: 4, atMoves: 0 },
    probesSent: 200,
    probesLost: 300,
  });
  t.match(formatSummary(summary), /one session, moved, never redialled/);
});

t.test('anything else is none', async (t) => {
  const failures: readonly [string, readonly SceneResult[], Findings][] = [
    ['another SESSION_ID', [...GOOD, scene('handoff', { sessionId: 4661 })], CLEAN],
    ['a redial', [...GOOD, scene('handoff', { redials: 1 })], CLEAN],
    ['another prefix', [...GOOD, scene('handoff', { prefix: '2001:db8:200:1::/64' })], CLEAN],
    ['a DHCPv6 message', [...GOOD, scene('handoff', { dhcp6: 1 })], CLEAN],
    ['a PADT', GOOD, { ...CLEAN, padt: 1 }],
    ['a second LCP negotiation', GOOD, { ...CLEAN, lcpNegotiations: 2 }],
    ['a violation', GOOD, { ...CLEAN, violations: ['line: PADI at r2, which is BACKUP'] }],
    ['no scene at all', [], CLEAN],
  ];
  for (const [name, scenes, findings] of failures) {
    const summary = summarise(scenes, findings);
    t.equal(summary.ok, false, name);
    t.match(formatSummary(summary), /NOT as promised/, name);
  }
});
