/**
 * What one router's engine does, held against the rules answer by answer: the order of a takeover, the demotion, the
 * handoff, the watchdog. It looks at one router only; `rules.ts` looks at the pair.
 */
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import type { SessionStatus } from '@ppp-thing/protocol/engine/engine';
import type { OwnerState } from '@ppp-thing/protocol/engine/ownership';
import { isNewer } from '@ppp-thing/protocol/engine/session';
import type { SimRouter } from './router.ts';

/** The engine's own limits, and a tenth for clocks that drift and for the way to the helper. */
const HANDOFF_MS = 5500;
/** A session is down for this long while the partner could carry it, back-off and repeated dials included. */
const DOWN_MS = 60_000;

export type Break = (rule: string, what: string) => void;

export class Watch {
  #state: OwnerState = 'Waiting';
  /** What the kernel was last told to do about our demotion by this supervisor. */
  #demotes = false;
  #yieldingSince: number | undefined;
  #downSince: number | undefined;
  #lastTold = 0;
  /** The disk refused a snapshot, and has not been asked again. */
  #isUnsaved = false;

  /** A new supervisor: nothing is known. */
  restart(now: number): void {
    this.#state = 'Waiting';
    this.#demotes = false;
    this.#yieldingSince = undefined;
    this.#downSince = undefined;
    this.#lastTold = now;
    this.#isUnsaved = false;
  }

  answered(
    router: SimRouter,
    event: Event,
    actions: readonly Action[],
    now: number,
    fail: Break,
  ): void {
    const { supervisor } = router;
    if (supervisor === undefined) return;
    const status = supervisor.engine.status(router.now());
    const before = this.#state;
    this.#state = status.state;
    const us = `router ${router.index}`;
    if (event.kind === 'failed' && event.action === 'store') this.#isUnsaved = true;
    else if (event.kind === 'deadline' && actions.some(({ kind }) => kind === 'store'))
      this.#isUnsaved = false;
    const isAble = supervisor.connected && status.helper && !this.#isUnsaved && !router.isDiskFull;
    this.#checkDemotion(us, event, actions, status, fail);
    this.#checkHandoff(us, before, status, now, fail);
    this.#checkDown(us, status, now, fail);
    checkAutoOpen(us, actions, status, fail);
    if (isAble) checkOrder(us, before, actions, status, fail);
    this.#checkTells(us, actions, supervisor.connected, now, fail);
  }

  /** R10: what the kernel was told is what the reasons say, at every moment; a waiting router is held down. */
  #checkDemotion(
    us: string,
    event: Event,
    actions: readonly Action[],
    status: SessionStatus,
    fail: Break,
  ): void {
    const told = actions.filter((action) => action.kind === 'demote');
    if (event.kind === 'helper-up' && told.length === 0) {
      fail('R10', `${us} does not tell a helper that has just come whether it is demoted`);
    }
    this.#demotes = told.at(-1)?.on ?? this.#demotes;
    const reasons = status.demoted;
    if (this.#demotes !== reasons.length > 0) {
      fail('R10', `${us} told the kernel ${this.#demotes}, for [${reasons.join(', ')}]`);
    }
    if (status.helper && status.state === 'Waiting' && !this.#demotes) {
      fail('R10', `${us} waits for its partner without being demoted`);
    }
  }

  /** R12: only to a partner that can, and not for ever. */
  #checkHandoff(
    us: string,
    before: OwnerState,
    status: SessionStatus,
    now: number,
    fail: Break,
  ): void {
    if (status.state !== 'Yielding') {
      this.#yieldingSince = undefined;
      return;
    }
    this.#yieldingSince ??= now;
    if (now - this.#yieldingSince > HANDOFF_MS) {
      fail('R12', `${us} has been yielding for ${Math.round(now - this.#yieldingSince)} ms`);
    }
    if (before === 'Yielding') return;
    const { message } = status.partner;
    const isReady =
      message?.armed === true && message.healthy && !isNewer(status.snapshot, message.snapshot);
    if (!isReady || !status.proven) fail('R12', `${us} hands over to a partner that is not ready`);
  }

  /** R10: a session that stays down where the partner could carry it is given up. */
  #checkDown(us: string, status: SessionStatus, now: number, fail: Break): void {
    const isDown =
      status.state === 'Holding' &&
      status.helper &&
      !status.proven &&
      status.partner.message?.healthy === true &&
      !status.demoted.includes('watchdog');
    if (!isDown) this.#downSince = undefined;
    else if (now - (this.#downSince ??= now) > DOWN_MS) {
      fail('R10', `${us} keeps the role with a session that is down`);
    }
  }

  /** Every second the partner is told, whatever else happens. */
  #checkTells(
    us: string,
    actions: readonly Action[],
    connected: boolean,
    now: number,
    fail: Break,
  ): void {
    const tells = actions.filter((action) => action.kind === 'tell-partner').length;
    if (tells > 1) fail('bounds', `${us} tells its partner ${tells} times in one answer`);
    if (tells > 0 || !connected) this.#lastTold = now;
    else if (now - this.#lastTold > 60_000) {
      fail('R8', `${us} has told its partner nothing for a minute`);
    }
  }
}

const speaks = (state: OwnerState): boolean => state === 'Holding' || state === 'Yielding';

/** A fenced router's gate never opens by itself; a standby's does. */
function checkAutoOpen(
  us: string,
  actions: readonly Action[],
  status: SessionStatus,
  fail: Break,
): void {
  const last = actions.filter((action) => action.kind === 'attach').at(-1);
  if (last === undefined || status.state === 'Off') return;
  if (last.autoOpen !== (status.state !== 'Fenced')) {
    fail('R2', `${us} is ${status.state} and may ${last.autoOpen ? '' : 'not '}open by itself`);
  }
}

/** What a takeover of a session that lives must do, in this order; and what comes first when it is given away. */
function checkOrder(
  us: string,
  before: OwnerState,
  actions: readonly Action[],
  status: SessionStatus,
  fail: Break,
): void {
  if (speaks(before) && (status.state === 'Standby' || status.state === 'Fenced')) {
    const first = actions.find(({ kind }) => kind !== 'note' && kind !== 'demote');
    const closes = first?.kind === 'detach' || (first?.kind === 'gate' && !first.open);
    if (!closes) {
      fail('order', `${us} begins with ${first?.kind ?? 'nothing'}, not by closing its gate`);
    }
    if (!actions.some(({ kind }) => kind === 'tell-partner')) {
      fail('order', `${us} does not tell its partner that it has released`);
    }
    const route = actions.filter((action) => action.kind === 'route').at(-1);
    if (route?.via !== 'partner') fail('order', `${us} does not route via its partner`);
  }
  const takes = !speaks(before) && speaks(status.state);
  if (!takes || status.snapshot.facts === null) return;
  const wanted = ['gate', 'announce', 'send-ppp', 'route', 'tell-partner'];
  const found = actions.map(({ kind }) => kind).filter((kind) => kind !== 'note');
  let done = 0;
  for (const kind of found) if (kind === wanted[done]) done++;
  // The interface says nothing of its own: it may go up at any time.
  const isInOrder = done === wanted.length && found.includes('configure');
  // Without carrier nobody is asked: no answer can come.
  if (isInOrder || !status.carrier) return;
  fail('order', `${us} takes over with ${found.join(', ')}`);
}
