/**
 * Deliberate faults in the logic that moves the session: each a piece of the compiled product and what stands in its
 * place. `make sim-mutants` shows that the simulator, or a test that costs less, notices every one. Nothing here runs in the
 * product.
 *
 * Not in the list, because nothing could notice:
 * - a demotion taken back twice by the engine: the helper's verb is idempotent (`helper/demotion.ts`);
 * - frames passed to the link of a router that does not hold (`Judge.#toLink`): every way out of holding suspends the link;
 * - giving up a session that is proven (`Down`): its wait is cancelled when the session is proven.
 */

import {
  OWNERSHIP,
  type OwnerEvent,
  type OwnerState,
} from '@ppp-thing/protocol/engine/owner/ownership';

export interface Mutant {
  readonly name: string;
  /** Under the package's `dist`, and exactly once in it. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** A test under test/, without its ending; 'system' for the whole system; the fast campaign unless given. */
  readonly judge?: string;
}

type Piece = readonly [name: string, find: string, replace: string];

/** @param judge the test that notices, under test/ and without its ending; 'system' for the campaign on the whole system */
export const of = (file: string, judge: string, pieces: readonly Piece[]): readonly Mutant[] =>
  pieces.map(([name, find, replace]) => ({ name, file, judge, find, replace }));

const JUDGE = 'protocol/dist/engine/owner/judge.js';
const ACTS = 'protocol/dist/engine/owner/acts.js';
const OUTBOX = 'protocol/dist/engine/owner/outbox.js';
const STANDING = 'protocol/dist/engine/owner/standing.js';
const TABLE = 'protocol/dist/engine/owner/ownership.js';
const DEMOTION = 'protocol/dist/engine/owner/demotion.js';
const PARTNERSHIP = 'protocol/dist/engine/owner/partnership.js';
const PHASES = 'protocol/dist/engine/ppp/phases.js';
const REDIAL = 'protocol/dist/engine/link/redial.js';
const REFUSAL = 'protocol/dist/engine/owner/refusal.js';
const SESSION = 'protocol/dist/session.js';
const KEEPALIVE = 'protocol/dist/engine/ppp/keepalive.js';
const DELEGATION = 'protocol/dist/engine/owner/delegation.js';
const DHCP6_CLIENT = 'protocol/dist/engine/dhcp6/client.js';
const DHCP6_TABLE = 'protocol/dist/engine/dhcp6/table.js';
const INTERLOCK = 'helper/dist/interlock.js';

const mutant = (name: string, file: string, find: string, replace: string): Mutant => ({
  name,
  file,
  find,
  replace,
});

/** Those that a test notices too: it costs a second, and runs until one shows the fault cost many. */
const by = (judge: string, mutants: readonly Mutant[]): readonly Mutant[] =>
  mutants.map((each) => ({ ...each, judge }));

/** A cell of ownership's table that says something else. */
function cell(name: string, event: OwnerEvent, state: OwnerState, instead: string): Mutant {
  const row = Object.entries(OWNERSHIP[event]);
  const upTo = row.slice(
    0,
    row.findIndex(([column]) => column === state),
  );
  const before = `${event}: { ${upTo.map(([column, text]) => `${column}: '${text}', `).join('')}${state}: `;
  return mutant(name, TABLE, `${before}'${OWNERSHIP[event][state]}'`, `${before}'${instead}'`);
}

export const MUTANTS: readonly Mutant[] = [
  // Ownership's table.
  cell('dropped fence', 'Newer', 'Holding', 'store/Holding'),
  cell('freed ignored', 'Freed', 'Fenced', '-'),
  cell('adoption without carrying on', 'Adopt', 'Waiting', 'lift/Holding'),
  cell('not armed at start', 'Ready', 'Waiting', 'lift/Standby'),
  cell('off keeps the session of a partner that took it', 'Newer', 'Off', 'store/Off'),
  cell('hangs up on and on', 'Backup', 'HangingUp', 'arm/Standby'),
  cell('connect leaves the demotion of a handoff', 'Connect', 'Standby', 'Standby'),
  ...by('engine/ownership', [
    mutant(
      'manual: a handoff leaves the role',
      JUDGE,
      "this.#standing.role = 'BACKUP';\n                return void",
      'return void',
    ),
    mutant(
      'manual: a restarted holder is BACKUP',
      JUDGE,
      "return snapshot.holder === config.routerId ? 'MASTER' : 'BACKUP';",
      "return 'BACKUP';",
    ),
    mutant(
      'manual: a new helper gives the role back',
      JUDGE,
      "if (role !== 'INIT')\n            return role;",
      '',
    ),
    mutant(
      'a partner whose helper restarts loses the role',
      JUDGE,
      "this.#waits.ensure('unhealthy', now);",
      "demotion.drop('handoff');",
    ),
    mutant(
      'a PADT for what the partner may hold',
      OUTBOX,
      'isSayable(action) && !(this.isContested && isPadt(action))',
      'isSayable(action)',
    ),
    mutant(
      'armed without a helper',
      ACTS,
      '#sever(now) {\n        this.#standing.arm(false);',
      '#sever(now) {',
    ),
    mutant(
      'a line without carrier is tried again',
      JUDGE,
      "if (helper?.carrier === true)\n            demotion.drop('watchdog');",
      "if (true)\n            demotion.drop('watchdog');",
    ),
    mutant(
      'a partner that is behind waits a second',
      JUDGE,
      'if (!wasFresh || isNewer(ours, message.snapshot))',
      'if (!wasFresh)',
    ),
    mutant(
      'manual: keeps the role that the partner was given',
      JUDGE,
      "this.#standing.role = 'BACKUP';\n        this.#step('Backup', cause, now);\n    }\n",
      '}\n',
    ),
    mutant(
      'manual: keeps the role against an announce frame',
      JUDGE,
      "this.#step('Outbid', cause, now);\n            this.#roleTaken(cause, now);",
      "this.#step('Outbid', cause, now);",
    ),
    mutant(
      'refused route not tried again',
      ACTS,
      "configure(facts, true));\n        this.#out.emit({ kind: 'route', via: 'session' });\n        this.delegate(now);\n    }\n    /** If",
      'configure(facts, true));\n        this.delegate(now);\n    }\n    /** If',
    ),
    cell('contested line ignored', 'Contested', 'Holding', 'end,redial/Holding'),
    cell('fenced may open by itself', 'Newer', 'Holding', 'release,store,arm/Fenced'),
    cell('learned, not stored', 'Newer', 'Standby', 'arm/Standby'),
    cell('refused standby not tried again', 'Retry', 'Standby', '-'),
    cell('refused session not tried again', 'Retry', 'Holding', '-'),
    cell('link goes on without a helper', 'Severed', 'Holding', '-'),
    cell('disk not asked again', 'Rewrite', 'Holding', '-'),
    cell('handoff demotion kept', 'GivenBack', 'Standby', '-'),
    cell('silent on the line', 'Claim', 'Holding', '-'),
    cell('carrier and silence do not demote', 'Silent', 'Holding', 'doubt/Holding'),
    cell('believes a silent session', 'Silent', 'Holding', '-'),
    cell('does not prove', 'Proven', 'Holding', '-'),
    cell('watchdog looks once', 'Down', 'Holding', '-'),
    mutant(
      'epoch not raised',
      ACTS,
      'const next = taken(before, standing.config.routerId);',
      'const next = { ...before, holder: standing.config.routerId };',
    ),
    mutant(
      'told before stored',
      ACTS,
      "this.#out.emit({ kind: 'store', snapshot: standing.snapshot });\n        this.#carry(now);",
      "this.#carry(now);\n        this.#out.emit({ kind: 'store', snapshot: standing.snapshot });",
    ),
    mutant(
      'gate left open on BACKUP',
      ACTS,
      "this.#out.emit({ kind: 'gate', open: false });\n        this.#tellLink",
      'this.#tellLink',
    ),
    mutant(
      'standby may not open by itself',
      ACTS,
      "case 'arm':\n                return this.#arm(true, now);",
      "case 'arm':\n                return this.#arm(false, now);",
    ),
    mutant(
      'dials instead of resuming',
      ACTS,
      'if (facts === null) {\n            // The partner may just have',
      'if (true) {\n            // The partner may just have',
    ),
    mutant(
      'announce dropped',
      ACTS,
      'else\n            this.#announce(now);',
      'else\n            ;',
    ),
    mutant('announced once only', ACTS, "this.#waits.begin('announce', now);", ''),
    mutant('standby interface left up', ACTS, 'configure(facts, false)', 'configure(facts, true)'),
    mutant(
      'a partner that is gone is routed to',
      PARTNERSHIP,
      'this.#carries && (this.fresh(now) !== undefined || this.seenWithin(span, now))',
      'this.#carries',
    ),
    cell('keeps a route that leads nowhere', 'Rerouted', 'Standby', '-'),
    mutant(
      'calls a session proven that is not forwarded',
      JUDGE,
      'this.#standing.refuse(refused);',
      '',
    ),
    cell('keeps a session that is not forwarded', 'Blocked', 'Holding', '-'),
    cell('a refusal is never over', 'Unblocked', 'Holding', '-'),
    cell('a role that is lost does not demote', 'RoleLost', 'Holding', '-'),
    cell('a role that is found again does not promote', 'RoleFound', 'Standby', '-'),
    mutant(
      'refused store forgotten',
      JUDGE,
      "action === 'store' ? this.#out.bar() : undefined",
      'undefined',
    ),
    mutant(
      'refused store not tried again',
      JUDGE,
      "this.#waits.begin(unstored === 'lease' ? 'lease' : 'retry', now);",
      '',
    ),
    mutant(
      'refused demotion not tried again',
      JUDGE,
      'if (this.#standing.helper !== undefined || wasBarred)',
      'if (false)',
    ),
    mutant(
      'refused addresses not tried again',
      ACTS,
      "{ kind: 'gate', open: true }, configure(facts, true));\n        this.#out.emit({ kind: 'route', via: 'session' });\n        this.delegate(now);\n    }\n    /** If",
      "{ kind: 'gate', open: true });\n        this.#out.emit({ kind: 'route', via: 'session' });\n        this.delegate(now);\n    }\n    /** If",
    ),
    mutant(
      'refused session not carried again',
      ACTS,
      "if (this.#standing.path === 'severed')\n            return this.#carry(now, { isRefused: true });",
      '',
    ),
    mutant('claims what its kernel refuses', ACTS, 'if (isRefused)', 'if (false)'),
    mutant(
      'ends the session that the kernel refuses',
      JUDGE,
      'this.#standing.holds && this.#standing.snapshot.facts === null',
      'this.#standing.holds',
    ),
    mutant(
      'believes the silence of a refused gate',
      JUDGE,
      'if (isJoining)\n            this.#step',
      'if (false)\n            this.#step',
    ),
    mutant(
      'terminates what the partner took',
      ACTS,
      "{ kind: 'gate', open: false });\n        this.#tellLink(now, (link) => link.suspend(now));",
      "{ kind: 'gate', open: false });\n        this.#endSession(now);",
    ),
    mutant('watchdog off', ACTS, "demotion.add('watchdog');", ''),
    mutant('hold-down skipped', JUDGE, 'if (!mustWait && this.#ready', 'if (this.#ready'),
    mutant('hold-down without demotion', ACTS, "demotion.add('hold-down');", ''),
    mutant('hold-down not taken back', ACTS, "return demotion.drop('hold-down');", 'return;'),
    mutant(
      'demoted though the carrier is back',
      JUDGE,
      "if (up)\n            standing.demotion.drop('watchdog');",
      '',
    ),
    mutant('newer snapshot ignored', JUDGE, 'if (isNewer(theirs, ours))\n', 'if (false)\n'),
    mutant('older snapshot taken', JUDGE, 'if (isNewer(theirs, ours))\n', 'if (true)\n'),
    mutant(
      'demotion not said again to a new helper',
      JUDGE,
      '\n        standing.demotion.restate();',
      '',
    ),
    mutant(
      'hands over to anybody',
      REFUSAL,
      "if (!partner.armed)\n        return 'the partner is not armed';",
      '',
    ),
    mutant(
      'silent partner still counts',
      PARTNERSHIP,
      'now < after(this.#heardAt, this.#timeout)',
      'true',
    ),
    mutant('partner seen for ever', PARTNERSHIP, 'now < after(this.#seenAt, span)', 'true'),
    mutant('demotion not returned', DEMOTION, 'if (this.#reasons.length === 0)', 'if (false)'),
    mutant(
      'demotion returned too early',
      DEMOTION,
      'if (this.#reasons.length === 0)\n            this.restate();',
      "this.#out({ kind: 'demote', on: false });",
    ),
    mutant(
      'isNewer flipped',
      SESSION,
      'return isLaterEpoch(a.epoch, b.epoch);',
      'return isLaterEpoch(b.epoch, a.epoch);',
    ),
    mutant('isNewer blind to holders', SESSION, 'return a.holder > b.holder;', 'return false;'),
    cell('not rearmed after a helper restart', 'HelperBackup', 'Standby', '-'),
    cell('keeps the session after a helper restart as BACKUP', 'HelperBackup', 'Holding', '-'),
    cell('hang-up forgotten with the helper', 'HelperMaster', 'HangingUp', '-'),
    cell('reconnect forgotten with the helper', 'HelperMaster', 'Redialling', '-'),
    cell('redials without writing the end', 'Closed', 'Holding', 'redial/Holding'),
    cell('reconnect without dialling', 'Closed', 'Redialling', 'end/Off'),
    cell('higher announce ignored', 'Outbid', 'Holding', '-'),
    cell('contest not settled', 'ContestOver', 'Holding', '-'),
    cell('not carried on after a helper restart', 'HelperMaster', 'Holding', '-'),
    cell('rival ignored', 'Rival', 'Standby', 'take/Holding'),
    cell('handoff not undone', 'Undo', 'Yielding', '-'),
    mutant(
      'contested line not seen',
      STANDING,
      'this.partner.fresh(now) === undefined &&\n            this.partner.seenWithin(SEEN_SPAN, now)',
      'false',
    ),
  ]),
  // What the acts do.
  mutant(
    'no route via the partner',
    STANDING,
    "const via = mayUse && this.partner.carries(SEEN_SPAN, now) ? 'partner' : 'none';",
    "const via = 'none';",
  ),
  mutant(
    'routes via a partner that carries nothing',
    STANDING,
    'mayUse && this.partner.carries(SEEN_SPAN, now)',
    'mayUse',
  ),
  mutant('told what the disk refused', OUTBOX, 'isSayable(action) && ', ''),
  mutant(
    'end of a session not written',
    ACTS,
    'this.#write({ facts: null });\n        if (facts === null)',
    'if (facts === null)',
  ),
  mutant(
    'watchdog put off for ever',
    ACTS,
    "!== 'follow-carp')\n            return;\n        this.#waits.ensure('down', now);",
    "!== 'follow-carp')\n            return;",
  ),
  mutant('release not told', STANDING, 'open: this.holds,', 'open: true,'),
  mutant('always says armed', STANDING, 'armed: this.isArmed,', 'armed: true,'),
  mutant(
    'demotion lost behind a refused store',
    JUDGE,
    'this.#out.unbar();\n        if (this.#standing.helper !== undefined || wasBarred)',
    'this.#out.unbar();\n        if (!wasBarred)',
  ),
  mutant(
    'full disk puts the watchdog off',
    ACTS,
    "watchdog would never end.\n        this.#waits.ensure('down', now);",
    "watchdog would never end.\n        this.#waits.begin('down', now);",
  ),
  mutant(
    'dialled in silence, not announced',
    ACTS,
    'if (this.#standing.isUnheard(now))\n            this.#announce(now);\n    }',
    '}',
  ),
  mutant(
    'silent on the line to a partner that does not hear',
    JUDGE,
    'if (!message.hearing &&',
    'if (false &&',
  ),
  mutant(
    'demoted for a partner that cannot carry',
    JUDGE,
    "else\n            this.#waits.ensure('unhealthy', now);",
    '',
  ),
  mutant(
    'timers run without carrier',
    PHASES,
    "return this.#isOver || (!this.#hasCarrier && this.#phase !== 'Terminate');",
    'return this.#isOver;',
  ),
  // What events mean.
  mutant(
    'obeys the operator without a helper',
    REFUSAL,
    "if (standing.helper === undefined)\n        return 'the helper is away';",
    '',
  ),
  mutant(
    'demoted for a partner that is down too',
    JUDGE,
    "if (!message.healthy && !message.proven)\n            demotion.drop('watchdog');",
    '',
  ),
  mutant('Identifiers of the other router', ACTS, '(this.#standing.config.routerId & 1)', '0'),
  mutant(
    'a take that sent nothing steps on',
    ACTS,
    'this.#out.isBarred ? lcp : undefined',
    'undefined',
  ),
  mutant('Identifier of the day the session came up', ACTS, 'this.#link.heardOf(theirs);', ';'),
  mutant('stale helper kept', JUDGE, 'this.#standing.helper = undefined;', ''),
  mutant(
    'carrier at start ignored',
    JUDGE,
    "this.#judge(this.#acts.link({ kind: 'carrier', up: state.carrier }, now), now);",
    '',
  ),
  mutant(
    'carrier ignored',
    JUDGE,
    'this.#judge(this.#acts.link(event, now), now);\n        if (!up)',
    'if (!up)',
  ),
  mutant('anything is adopted', JUDGE, 'holder === config.routerId &&', ''),
  // The lease that moves with the session.
  mutant(
    'speaks on the standby',
    ACTS,
    'this.#tellLink(now, (link) => link.suspend(now));\n        this.#leased(this.#delegation.down(now), now);\n    }\n    /** Ready',
    'this.#tellLink(now, (link) => link.suspend(now));\n    }\n    /** Ready',
  ),
  ...by('engine/delegation', [
    mutant(
      'released at a handoff',
      DHCP6_TABLE,
      "Bound: 'Off', Renew: 'Off'",
      "Bound: 'release/Release', Renew: 'Off'",
    ),
    mutant(
      'released at a reconnect',
      ACTS,
      "case 'hangUp':\n                return this.#hangUp(now)",
      "case 'hangUp':\n                return this.#leave(now)",
    ),
    mutant(
      'lease of the partner not learnt',
      DELEGATION,
      '{ ...theirs, lease: clampLease(lease, this.#wallClock.at(now)) }',
      '{ ...theirs, lease: null }',
    ),
    mutant(
      'lease lost with the session',
      ACTS,
      'this.#write({ facts: null });\n        if (facts === null)',
      'this.#write({ facts: null, lease: null });\n        if (facts === null)',
    ),
    mutant(
      'asks anew after a takeover',
      DHCP6_CLIENT,
      "!isOurs ? 'Fresh' : isNew ? 'Moved' : 'Held'",
      "'Fresh'",
    ),
    mutant(
      'standby gives its LANs nothing',
      ACTS,
      'this.#reroute(now);\n        this.delegate(now);',
      'this.#reroute(now);',
    ),
    mutant(
      'a new lease is not given to the LANs',
      ACTS,
      '#leaseStored(now) {\n        this.delegate(now);',
      '#leaseStored(now) {',
    ),
    mutant('a new lease is not kept', ACTS, 'this.#write({ lease: signal.lease });', ''),
    mutant('not renewed', DHCP6_CLIENT, "this.#timers.set('dhcp6-t1', later(t1, now));", ''),
  ]),
  // Order, back-off, proof.
  ...by('engine/keepalive', [
    mutant(
      'any packet proves the way to the AC',
      KEEPALIVE,
      'return !this.#hasAnswered && this.#lives(now);',
      'return this.#lives(now);',
    ),
    mutant('gives up an AC that sends', KEEPALIVE, 'this.#hasSign = true;', ''),
  ]),
  ...by('engine/redial', [
    mutant(
      'refused as if it had failed',
      REDIAL,
      'const isInsistent = refused && failures > 1;',
      'const isInsistent = false;',
    ),
    mutant(
      'five minutes for no reason',
      REDIAL,
      'FIRST_DELAY * 2 ** (failures - 1)',
      'LONGEST_DELAY',
    ),
    mutant(
      'back-off ignored',
      REDIAL,
      'return this.#notBefore === undefined || this.#notBefore < now ? now : this.#notBefore;',
      'return now;',
    ),
    mutant('back-off not raised', REDIAL, 'this.#failures += 1;', 'this.#failures = 1;'),
  ]),
  // The helper's interlock.
  ...by('helper/interlock', [
    mutant(
      'interlock opens for anybody',
      INTERLOCK,
      "=> policy !== 'follow-carp' || role === 'MASTER'",
      '=> true',
    ),
    mutant(
      'interlock leaves the gate open',
      INTERLOCK,
      'if (!mayOpen(state))\n        return false;',
      '',
    ),
    mutant(
      'interlock never opens by itself',
      INTERLOCK,
      'edge && state.attached && state.autoOpen',
      'false',
    ),
    mutant(
      'interlock opens unasked',
      INTERLOCK,
      'edge && state.attached && state.autoOpen',
      'edge && state.attached',
    ),
    mutant(
      'edge opens the gate and does not forward',
      INTERLOCK,
      "if (open && settings)\n        return 'session';",
      '',
    ),
    mutant(
      'edge leaves the route via the partner',
      INTERLOCK,
      "return route === 'partner' && !isLive(state) ? 'partner' : 'none';",
      "return route ?? 'none';",
    ),
    mutant(
      'MASTER may route via its partner',
      INTERLOCK,
      "=> open || (policy !== 'manual' && role === 'MASTER')",
      '=> open',
    ),
  ]),
  ...by('engine/dial-and-partner', [
    cell('not armed with a newer session', 'Newer', 'Standby', 'store/Standby'),
    cell('what the partner opened is not resumed', 'Told', 'Holding', 'store/Holding'),
    mutant('partner not told on time', ACTS, "this.#waits.begin('tell', now);", ''),
    mutant(
      'a dial that advances is given up',
      JUDGE,
      "if (this.#acts.isAdvancing(now))\n                    return this.#waits.ensure('patience', now);",
      '',
    ),
    mutant(
      'a session is void for a partner that knew of none',
      JUDGE,
      'return isKept ? { ...wholly(theirs), facts: snapshot.facts } : theirs;',
      'return theirs;',
    ),
    mutant(
      'isNewer blind to generations',
      SESSION,
      'return isLater(a.generation, b.generation);',
      'return false;',
    ),
  ]),
  ...by('engine/link-echo', [
    mutant(
      'unproven after a carrier flap',
      KEEPALIVE,
      "this.#mode === 'probing' || (this.#mode !== 'off' && this.#wasPaused)",
      "this.#mode === 'probing'",
    ),
  ]),
];
