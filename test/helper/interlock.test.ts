import t from 'tap';
import type { Role, Via } from '@ppp-thing/helper/backend';
import {
  effectiveRole,
  gateAfter,
  isLive,
  mayOpen,
  routeAfter,
  type Interlock,
} from '@ppp-thing/helper/interlock';

const ROLES: readonly Role[] = ['INIT', 'BACKUP', 'MASTER'];

/** policy, role, attached, autoOpen, open, edge → the gate. `*` stands for either. */
const TABLE = `
  follow-carp  INIT    *  *  *  *  → closed
  follow-carp  BACKUP  *  *  *  *  → closed
  follow-carp  MASTER  y  y  *  y  → open
  follow-carp  MASTER  n  *  n  y  → closed
  follow-carp  MASTER  y  n  n  y  → closed
  follow-carp  MASTER  n  *  y  y  → open
  follow-carp  MASTER  y  n  y  y  → open
  follow-carp  MASTER  *  *  n  n  → closed
  follow-carp  MASTER  *  *  y  n  → open
  pinned       INIT    *  *  n  *  → closed
  pinned       INIT    *  *  y  *  → open
  pinned       BACKUP  *  *  n  *  → closed
  pinned       BACKUP  *  *  y  *  → open
  pinned       MASTER  *  *  n  *  → closed
  pinned       MASTER  *  *  y  *  → open
  manual       INIT    *  *  n  *  → closed
  manual       INIT    *  *  y  *  → open
  manual       BACKUP  *  *  n  *  → closed
  manual       BACKUP  *  *  y  *  → open
  manual       MASTER  *  *  n  *  → closed
  manual       MASTER  *  *  y  *  → open
`;

interface Row {
  readonly policy: string;
  readonly role: string;
  readonly flags: readonly string[];
  readonly open: boolean;
}

const ROWS: readonly Row[] = TABLE.trim()
  .split('\n')
  .map((line) => {
    const [policy = '', role = '', ...rest] = line.trim().split(/\s+/);
    return { policy, role, flags: rest.slice(0, 4), open: rest[5] === 'open' };
  });

const BOTH = [false, true];
const fits = (flag: string | undefined, value: boolean): boolean =>
  flag === '*' || flag === (value ? 'y' : 'n');

t.test('interlock › the table says where the gate belongs, and covers every case', async (t) => {
  let cases = 0;
  for (const policy of ['follow-carp', 'pinned', 'manual'] as const)
    for (const role of ROLES)
      for (const attached of BOTH)
        for (const autoOpen of BOTH)
          for (const open of BOTH)
            for (const edge of BOTH) {
              const state: Interlock = { policy, role, attached, autoOpen, open };
              const values = [attached, autoOpen, open, edge];
              const rows = ROWS.filter(
                (row) =>
                  row.policy === policy &&
                  row.role === role &&
                  values.every((value, i) => fits(row.flags[i], value)),
              );
              const name = `${JSON.stringify(state)} edge ${edge}`;
              t.equal(rows.length, 1, `one row for ${name}`);
              t.equal(gateAfter(state, edge), rows[0]?.open, name);
              cases++;
            }
  t.equal(cases, 144);
});

t.test('interlock › R2: under follow-carp only MASTER may open', async (t) => {
  for (const role of ROLES) {
    t.equal(mayOpen({ policy: 'follow-carp', role }), role === 'MASTER', role);
    t.ok(mayOpen({ policy: 'manual', role }));
    t.ok(mayOpen({ policy: 'pinned', role }));
  }
});

t.test('interlock › pinned is MASTER whatever the kernel says', async (t) => {
  for (const role of ROLES) {
    t.equal(effectiveRole('pinned', role), 'MASTER');
    t.equal(effectiveRole('manual', role), role);
    t.equal(effectiveRole('follow-carp', role), role);
  }
});

const VIAS: readonly (Via | undefined)[] = [undefined, 'session', 'partner', 'none'];

t.test('interlock › the default route follows gate and role, in every case (R13)', async (t) => {
  for (const policy of ['follow-carp', 'pinned', 'manual'] as const)
    for (const role of ROLES)
      for (const open of BOTH)
        for (const settings of BOTH)
          for (const route of VIAS) {
            const state = { policy, role, open, settings, route };
            const via = routeAfter(state);
            const what = JSON.stringify(state);
            if (isLive(state)) t.not(via, 'partner', `live, and never via its partner: ${what}`);
            if (open && settings) t.equal(via, 'session', `open, and forwards: ${what}`);
            if (!open) t.not(via, 'session', `never into a closed gate: ${what}`);
            if (!isLive(state) && route === 'partner') t.equal(via, 'partner', `kept: ${what}`);
            if (open && !settings && route !== 'partner') t.equal(via, route, `left: ${what}`);
          }
});

t.test('interlock › a router is live by its role, or by its open gate', async (t) => {
  const live = (policy: Interlock['policy'], role: Role, open: boolean): boolean =>
    isLive({ policy, role, open });
  t.ok(live('follow-carp', 'MASTER', false));
  t.ok(live('follow-carp', 'BACKUP', true), 'a gate that would not close');
  t.notOk(live('follow-carp', 'BACKUP', false));
  t.notOk(live('manual', 'MASTER', false), 'nobody but the operator says who is live');
  t.ok(live('manual', 'BACKUP', true));
});
