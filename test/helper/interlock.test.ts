import t from 'tap';
import type { Role } from '@ppp-thing/helper/backend';
import { effectiveRole, gateAfter, mayOpen, type Interlock } from '@ppp-thing/helper/interlock';

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
