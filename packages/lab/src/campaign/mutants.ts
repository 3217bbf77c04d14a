/**
 * Deliberate faults in the logic that moves the session: each a piece of the compiled product and what stands in its
 * place. `make sim-mutants` shows that the simulator notices every one. Nothing here runs in the product.
 *
 * Not in the list, because nothing could notice:
 * - a demotion taken back twice by the engine: the helper's verb is idempotent (`helper/demotion.ts`);
 * - frames passed to the link of a router that does not hold (`toLink`): every way out of holding suspends the link;
 * - giving up a session that is proven (`giveUp`): each of its callers has just found it unproven.
 */

export interface Mutant {
  readonly name: string;
  /** Under the package's `dist`, and exactly once in it. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const ENGINE = 'protocol/dist/engine/engine.js';
const DEADLINES = 'protocol/dist/engine/owner/deadlines.js';
const OWNER = 'protocol/dist/engine/owner/owner.js';
const TABLE = 'protocol/dist/engine/owner/ownership.js';
const DEMOTION = 'protocol/dist/engine/owner/demotion.js';
const PARTNERSHIP = 'protocol/dist/engine/owner/partnership.js';
const PHASES = 'protocol/dist/engine/ppp/phases.js';
const REDIAL = 'protocol/dist/engine/link/redial.js';
const REFUSAL = 'protocol/dist/engine/owner/refusal.js';
const SESSION = 'protocol/dist/session.js';
const KEEPALIVE = 'protocol/dist/engine/ppp/keepalive.js';
const INTERLOCK = 'helper/dist/interlock.js';

const mutant = (name: string, file: string, find: string, replace: string): Mutant => ({
  name,
  file,
  find,
  replace,
});

export const MUTANTS: readonly Mutant[] = [
  // Ownership's table.
  mutant(
    'dropped fence',
    TABLE,
    "Standby: 'arm/Standby', Holding: 'fence/Fenced',",
    "Standby: 'arm/Standby', Holding: 'Holding',",
  ),
  mutant('rival ignored', TABLE, "Standby: 'fence/Fenced'", "Standby: 'take/Holding'"),
  mutant('freed ignored', TABLE, "Fenced: 'take/Holding'", "Fenced: 'Fenced'"),
  mutant(
    'handoff not undone',
    TABLE,
    "Yielding: 'promote/Holding', Fenced: 'Fenced'",
    "Yielding: 'Yielding', Fenced: 'Fenced'",
  ),
  mutant('adoption without carrying on', TABLE, "Waiting: 'carry/Holding'", "Waiting: 'Holding'"),
  mutant(
    'not armed at start',
    TABLE,
    "Ready: { Waiting: 'arm/Standby'",
    "Ready: { Waiting: 'Standby'",
  ),
  mutant(
    'off keeps the session of a partner that took it',
    TABLE,
    "Off: 'fence/Fenced'",
    "Off: 'Off'",
  ),
  mutant('hangs up on and on', TABLE, "Off: 'release,arm/Standby'", "Off: 'arm/Standby'"),
  // What the acts do.
  mutant(
    'epoch not raised',
    OWNER,
    'const epoch = this.snapshot.epoch + 1;',
    'const epoch = this.snapshot.epoch;',
  ),
  mutant(
    'told before stored',
    OWNER,
    "this.emit({ kind: 'store', snapshot: this.snapshot });\n        this.#carry(now, { isUp });",
    "this.#carry(now);\n        this.emit({ kind: 'store', snapshot: this.snapshot });",
  ),
  mutant(
    'gate left open on BACKUP',
    OWNER,
    "this.emit({ kind: 'gate', open: false });\n        this.absorb(this.link.suspend(now), now);",
    'this.absorb(this.link.suspend(now), now);',
  ),
  mutant(
    'fenced may open by itself',
    OWNER,
    'this.#fallSilent(now);\n                return this.#arm(false, now);',
    'this.#fallSilent(now);\n                return this.#arm(true, now);',
  ),
  mutant(
    'standby may not open by itself',
    OWNER,
    "case 'arm':\n                return this.#arm(true, now);",
    "case 'arm':\n                return this.#arm(false, now);",
  ),
  mutant(
    'dials instead of resuming',
    OWNER,
    'if (facts === null) {\n            this.absorb',
    'if (true) {\n            this.absorb',
  ),
  mutant('announce dropped', OWNER, 'this.announce(now);\n        this.absorb', 'this.absorb'),
  mutant(
    'announced once only',
    OWNER,
    "this.timers.set('announce', after(now, ANNOUNCE_INTERVAL));",
    '',
  ),
  mutant('standby interface left up', OWNER, 'configure(facts, false)', 'configure(facts, true)'),
  mutant('no route via the partner', OWNER, "this.emit({ kind: 'route', via: 'partner' });", ''),
  mutant(
    'not rearmed after a helper restart',
    OWNER,
    "else if (this.state === 'Standby')\n            this.#arm(true, now);",
    '',
  ),
  mutant(
    'not carried on after a helper restart',
    OWNER,
    'if (this.speaks())\n            this.#carry(now);',
    'if (this.speaks())\n            return;',
  ),
  mutant('contested line ignored', OWNER, 'this.partner.seenWithin(SEEN_SPAN, now));', 'false);'),
  mutant(
    'told what the disk refused',
    OWNER,
    '(this.unsaved ? actions.filter(isSayableUnsaved) : actions)',
    'actions',
  ),
  mutant('refused store forgotten', ENGINE, 'this.#owner.unsaved = true;', ''),
  mutant(
    'refused store not tried again',
    ENGINE,
    "this.#owner.timers.set('retry', after(now, RETRY_INTERVAL));",
    '',
  ),
  mutant(
    'refused demotion not tried again',
    OWNER,
    'this.emit(...this.demotion.restate());\n        if (this.state',
    'if (this.state',
  ),
  mutant(
    'refused standby not tried again',
    OWNER,
    "return this.#arm(this.state === 'Standby', now);",
    'return;',
  ),
  mutant(
    'refused addresses not tried again',
    OWNER,
    "{ kind: 'gate', open: true }, configure(facts, true));\n        this.emit({ kind: 'route', via: 'session' });\n    }\n    /** The helper",
    "{ kind: 'gate', open: true });\n        this.emit({ kind: 'route', via: 'session' });\n    }\n    /** The helper",
  ),
  mutant(
    'refused route not tried again',
    OWNER,
    "configure(facts, true));\n        this.emit({ kind: 'route', via: 'session' });\n    }\n    /** The helper",
    'configure(facts, true));\n    }\n    /** The helper',
  ),
  mutant(
    'refused session not carried again',
    OWNER,
    "if (this.link.status().phase === 'Dead')\n            return this.#carry(now, { isRefused: true });",
    '',
  ),
  mutant('claims what its kernel refuses', OWNER, 'if (isRefused)', 'if (false)'),
  mutant(
    'ends the session that the kernel refuses',
    ENGINE,
    'this.#owner.speaks() && this.#owner.snapshot.facts === null',
    'this.#owner.speaks()',
  ),
  mutant(
    'believes the silence of a refused gate',
    ENGINE,
    'if (isJoining)\n            this.#owner.disjoin(now);',
    '',
  ),
  mutant(
    'end of a session not written',
    OWNER,
    'if (this.snapshot.facts !== null) {\n            this.#write(null);',
    'if (this.snapshot.facts !== null) {',
  ),
  mutant(
    'terminates what the partner took',
    OWNER,
    'this.absorb(this.link.suspend(now), now);\n        this.tell(now);\n    }\n    /** Ready',
    'this.absorb(this.link.hangUp(now), now);\n        this.tell(now);\n    }\n    /** Ready',
  ),
  mutant('watchdog off', OWNER, "this.emit(...this.demotion.add('watchdog'));", ''),
  mutant(
    'watchdog looks once',
    OWNER,
    "!== 'follow-carp')\n            return;\n        if (!this.timers.isSet('down'))",
    "!== 'follow-carp')\n            return;\n        if (false)",
  ),
  mutant(
    'partner not told on time',
    OWNER,
    "this.timers.set('tell', after(now, TELL_INTERVAL));",
    '',
  ),
  mutant('release not told', OWNER, 'open: this.speaks(),', 'open: true,'),
  mutant(
    'always says armed',
    OWNER,
    "armed: this.armed && this.state === 'Standby',",
    'armed: true,',
  ),
  mutant(
    'demotion lost behind a refused store',
    OWNER,
    "this.emit({ kind: 'store', snapshot: this.snapshot }, ...this.demotion.restate());",
    "this.emit({ kind: 'store', snapshot: this.snapshot });",
  ),
  mutant(
    'full disk puts the watchdog off',
    OWNER,
    "put the watchdog off for ever.\n        if (!this.timers.isSet('down'))",
    'put the watchdog off for ever.\n        if (true)',
  ),
  mutant(
    'interface left down after a full disk',
    OWNER,
    'if (!isUp)\n            this.emit(configure(facts, true));',
    'if (!this.armed)\n            this.emit(configure(facts, true));',
  ),
  mutant(
    'dialled in silence, not announced',
    OWNER,
    'if (this.isUnheard(now))\n            this.announce(now);\n        this.#provenNow(now);',
    'this.#provenNow(now);',
  ),
  mutant(
    'silent on the line to a partner that does not hear',
    ENGINE,
    'if (!message.hearing && this.#owner.claims()',
    'if (false && this.#owner.claims()',
  ),
  mutant(
    'demoted for a partner that cannot carry',
    ENGINE,
    "if (message.healthy)\n            this.#owner.timers.clear('unheard');",
    "this.#owner.timers.clear('unheard');\n        if (true) { }",
  ),
  mutant(
    'timers run without carrier',
    PHASES,
    "return !this.#hasCarrier && this.#phase !== 'Terminate';",
    'return false;',
  ),
  mutant(
    'reconnect forgotten with the helper',
    OWNER,
    'return this.reconnects ? this.#dialAgain(now) : undefined;',
    'return;',
  ),
  mutant(
    'hang-up forgotten with the helper',
    OWNER,
    "else if (this.state === 'Off')\n            this.#hangUpAgain(now);",
    '',
  ),
  // What events mean.
  mutant(
    'obeys the operator without a helper',
    REFUSAL,
    "if (owner.helper === undefined)\n        return 'the helper is away';",
    '',
  ),
  mutant(
    'hold-down skipped',
    ENGINE,
    "this.#owner.timers.set('hold-down', after(now, this.#owner.config.owner.holdDown));\n            this.#owner.emit(...this.#owner.demotion.add('hold-down'));\n            this.#owner.tell(now);",
    "this.#ready('helper-up', now);",
  ),
  mutant(
    'hold-down without demotion',
    ENGINE,
    "this.#owner.emit(...this.#owner.demotion.add('hold-down'));",
    '',
  ),
  mutant(
    'hold-down not taken back',
    ENGINE,
    "this.#owner.emit(...this.#owner.demotion.drop('hold-down'));\n        this.#owner.step('Ready'",
    "this.#owner.step('Ready'",
  ),
  mutant(
    'newer snapshot ignored',
    ENGINE,
    'if (isNewer(message.snapshot, ours))\n',
    'if (false)\n',
  ),
  mutant('older snapshot taken', ENGINE, 'if (isNewer(message.snapshot, ours))\n', 'if (true)\n'),
  mutant('learned, not stored', ENGINE, "this.#owner.emit({ kind: 'store', snapshot });", ''),
  mutant(
    'higher announce ignored',
    ENGINE,
    'if (epoch > this.#owner.snapshot.epoch)',
    'if (false)',
  ),
  mutant(
    'contest not settled',
    DEADLINES,
    'return owner.claims() ? owner.take(now) : undefined;',
    'return undefined;',
  ),
  mutant(
    'demotion not said again to a new helper',
    ENGINE,
    'this.#owner.emit(...this.#owner.demotion.restate());',
    '',
  ),
  mutant(
    'not restated to a new helper',
    ENGINE,
    'this.#owner.restate(now);\n            this.#owner.step(this',
    'undefined;\n            this.#owner.step(this',
  ),
  mutant('stale helper kept', ENGINE, 'this.#owner.helper = undefined;', ''),
  mutant(
    'link goes on without a helper',
    OWNER,
    'this.absorb(this.link.suspend(now), now);\n        this.tell(now);\n    }\n    /** Say',
    'this.tell(now);\n    }\n    /** Say',
  ),
  mutant(
    'carrier at start ignored',
    ENGINE,
    "this.#owner.absorb(this.#owner.link.handle({ kind: 'carrier', up: state.carrier }, now), now);",
    '',
  ),
  mutant(
    'carrier ignored',
    ENGINE,
    'this.#owner.absorb(this.#owner.link.handle(event, now), now);\n        if (!up)',
    'if (!up)',
  ),
  mutant('anything is adopted', ENGINE, 'holder === this.#owner.config.owner.routerId &&', ''),
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
  // Demotion.
  mutant(
    'demotion not returned',
    DEMOTION,
    'this.#reasons.delete(reason) && this.#reasons.size === 0 ? this.restate() : []',
    'this.#reasons.delete(reason) ? [] : []',
  ),
  mutant(
    'demotion returned too early',
    DEMOTION,
    'this.#reasons.delete(reason) && this.#reasons.size === 0 ? this.restate() : []',
    "this.#reasons.delete(reason) ? [{ kind: 'demote', on: false }] : []",
  ),
  mutant(
    'handoff demotion kept',
    ENGINE,
    "if (message.yielding && this.#owner.state !== 'Yielding')",
    'if (false)',
  ),
  // Order, back-off, proof.
  mutant('isNewer flipped', SESSION, 'return a.epoch > b.epoch;', 'return a.epoch < b.epoch;'),
  mutant(
    'isNewer blind to generations',
    SESSION,
    'return a.generation > b.generation;',
    'return false;',
  ),
  mutant('isNewer blind to holders', SESSION, 'return a.holder > b.holder;', 'return false;'),
  mutant(
    'back-off ignored',
    REDIAL,
    'return this.#notBefore === undefined || this.#notBefore < now ? now : this.#notBefore;',
    'return now;',
  ),
  mutant('back-off not raised', REDIAL, 'this.#failures += 1;', 'this.#failures = 1;'),
  mutant(
    'unproven after a carrier flap',
    KEEPALIVE,
    "(this.#mode === 'live' && !this.#wasPaused)",
    "this.#mode === 'live'",
  ),
  // The helper's interlock.
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
];
