/**
 * What one router's engine does, held against the rules answer by answer: the order of a takeover, the demotion, the
 * handoff, the watchdog. It looks at one router only; `rules.ts` looks at the pair.
 */
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import type { OwnerStatus } from '@ppp-thing/protocol/engine/engine';
import type { OwnerState } from '@ppp-thing/protocol/engine/owner/ownership';
import { isLaterEpoch, isNewer } from '@ppp-thing/protocol/session';
import type { Plan } from './plan.ts';
import type { RouterView } from './stage.ts';

/** The engine's own limits, and a tenth for clocks that drift and for the way to the helper. */
const HANDOFF_MS = 5500;
/** A session may be down for this long while the partner could carry it: a failed probe, and the watchdog's round. */
const DOWN_MS = 25_000;
/** A dial that the AC has answered this lately may still come to something: a phase of it may last so long. */
const ANSWERED_MS = 32_000;
/** However it is answered: the wait for a dial that advances, after the first. */
const STRUNG_ALONG_MS = 75_000;
/** Since the PADS; a dial that lasts longer may be given up. */
const DIAL_MS = 45_000;

const MAX_SERVED = 20;
const HOLD_DOWN_MS = 4990;
/** Between announce frames to a partner that is not heard. */
const ANNOUNCE_MS = 5500;
/** An announce frame says for this long that the partner may be holding the session. */
const SEEN_MS = 14_980;
/** The partner's last word counts for three seconds. */
const STALE_MS = 3010;
const STRANDED_MS = 17_000;
/** A router that stood back for its partner stands back no longer when that has been unable to carry for this long. */
const SACRIFICE_MS = 5500;

export type Break = (rule: string, what: string) => void;

/** One answer of a router's engine, and what came before it. */
interface Answer {
  readonly event: Event;
  /** The state of ownership before the event. */
  readonly before: OwnerState;
  readonly actions: readonly Action[];
  readonly status: OwnerStatus;
  readonly now: number;
  /** Accuses this router. */
  readonly fail: Break;
}

export class Watch {
  readonly #us: string;
  readonly #policy: Plan['policy'];
  #state: OwnerState = 'Waiting';
  /** What the kernel was last told to do about our demotion by this supervisor. */
  #demotes = false;
  #yieldingSince: number | undefined;
  #downSince: number | undefined;
  /** When the AC last answered a dial. */
  #answeredAt = -Infinity;
  /** Since when the dial under way has had a session. */
  #grantedAt: number | undefined;
  #isGivenUp = false;
  #lastTold = 0;
  /** Deadlines served in a row at one instant. */
  #served = 0;
  #servedAt = -1;
  #upAt = 0;
  #unheardSince: number | undefined;
  #seenAt = -Infinity;
  #hadFacts = false;
  #heardAt = -Infinity;
  #strandedSince: number | undefined;
  /** Identifiers of the Echo-Requests by which an unproven session was to be proven. */
  readonly #asked = new Set<number>();
  /** Answers to them in a row that did not prove it. */
  #uncounted = 0;
  #sacrificedSince: number | undefined;
  /** The disk refused a snapshot, and has not been asked again. */
  #isUnsaved = false;

  /** @param policy what decides who holds; CARP if undefined */
  constructor(index: number, policy?: Plan['policy']) {
    this.#us = `router ${index}`;
    this.#policy = policy;
  }

  /** A new supervisor: nothing is known. */
  restart(now: number): void {
    this.#state = 'Waiting';
    this.#demotes = false;
    this.#yieldingSince = undefined;
    this.#downSince = undefined;
    this.#grantedAt = undefined;
    this.#isGivenUp = false;
    this.#lastTold = now;
    this.#isUnsaved = false;
    this.#unheardSince = undefined;
    this.#seenAt = -Infinity;
    this.#hadFacts = false;
    this.#strandedSince = undefined;
    this.#sacrificedSince = undefined;
    this.#asked.clear();
    this.#uncounted = 0;
  }

  /** What it should have done by now it could not do. */
  #forgive(now: number): void {
    this.#unheardSince = undefined;
    this.#strandedSince = undefined;
    this.#sacrificedSince = undefined;
    this.#downSince = undefined;
    this.#yieldingSince = undefined;
    this.#lastTold = now;
  }

  /** @returns whether a handoff was undone because CARP did not carry it out */
  answered(
    router: RouterView,
    event: Event,
    actions: readonly Action[],
    now: number,
    accuse: Break,
  ): boolean {
    const { supervisor } = router;
    const status = router.status();
    if (supervisor === undefined || status === undefined) return false;
    const before = this.#state;
    this.#state = status.state;
    const fail: Break = (rule, what) => accuse(rule, `${this.#us} ${what}`);
    const answer = { event, before, actions, status, now, fail };
    this.#checkSpin(answer);
    this.#checkStart(answer);
    if (router.isLate) this.#forgive(now);
    this.#checkUnheard(answer);
    this.#checkKnowledge(answer);
    checkPlace(router.index + 1, this.#policy, answer);
    this.#checkAnswers(answer);
    checkWords(answer);
    if (event.kind === 'failed' && event.action === 'store') this.#isUnsaved = true;
    else if (event.kind === 'deadline' && actions.some(({ kind }) => kind === 'store'))
      this.#isUnsaved = false;
    const isAble = supervisor.connected && status.helper && !this.#isUnsaved && !router.isDiskFull;
    this.#checkDemotion(answer);
    this.#checkHandoff(answer);
    this.#checkDial(answer);
    this.#checkDown(answer);
    this.#checkSacrifice(answer);
    this.#checkPoint(answer);
    checkAutoOpen(answer);
    if (isAble) checkOrder(answer);
    this.#checkTells(supervisor.connected, answer);
    return before === 'Yielding' && status.state === 'Holding' && event.kind === 'deadline';
  }

  /** R9 and R10: nobody takes at start without having waited, or from a partner that was there first. */
  #checkStart({ event, before, status, now, fail }: Answer): void {
    if (event.kind === 'helper-up') this.#upAt = now;
    if (before !== 'Waiting' || status.state === 'Waiting') return;
    const { message } = status.partner;
    const isAdopted = event.kind === 'helper-up' && event.state.gateOpen;
    if (event.kind === 'helper-up' && speaks(status.state) && isForeign(event, status))
      fail('R4', 'adopts a session that is not that of its own snapshot');
    if (message === undefined && !isAdopted && now - this.#upAt < HOLD_DOWN_MS)
      fail('R10', 'has not waited for its partner');
    if (message?.open === true && message.role === 'MASTER' && speaks(status.state) && !isAdopted)
      fail('R9', 'starts by taking the session from a partner that holds it');
  }

  /** R9: a holder that does not hear its partner says so on the line, and does not end what may be the partner's. */
  #checkUnheard(answer: Answer): void {
    const { event, before, actions, status, now, fail } = answer;
    const { message } = status.partner;
    const isSign = event.kind === 'own-mac-heard' && this.#policy !== 'pinned';
    if (isSign && !isLaterEpoch(status.snapshot.epoch, event.epoch)) this.#seenAt = now;
    checkRoute(now - this.#seenAt, answer);
    const hasAnnounced = actions.some(({ kind }) => kind === 'announce');
    // Of a session that its kernel refuses it claims nothing, and so it begins to count anew.
    const isRefused =
      event.kind === 'failed' && (event.action === 'attach' || event.action === 'gate');
    const mustAnnounce =
      speaks(status.state) &&
      status.helper &&
      !this.#isUnsaved &&
      status.snapshot.facts !== null &&
      message?.hearing !== true;
    if (!mustAnnounce || hasAnnounced || isRefused)
      this.#unheardSince = mustAnnounce ? now : undefined;
    else if (now - (this.#unheardSince ??= now) > ANNOUNCE_MS)
      fail('R9', 'does not announce to a partner that it does not hear');
    const isContested = message === undefined && now - this.#seenAt < SEEN_MS;
    const ends = this.#hadFacts && status.snapshot.facts === null && event.kind === 'deadline';
    this.#hadFacts = status.snapshot.facts !== null;
    if (isContested && ends && !isOff(before))
      fail('R9', 'gives a session up for lost while its partner is on the line');
    if (ends && !status.carrier && !isOff(before))
      fail('R4', 'gives a session up for lost without carrier to ask for it');
  }

  /** What a router believes of its partner, and of itself, grows stale with the last sign of it. */
  #checkKnowledge({ event, before, status, now, fail }: Answer): void {
    const { message } = status.partner;
    if (event.kind === 'partner') this.#heardAt = now;
    if (message !== undefined && now - this.#heardAt > STALE_MS)
      fail('R8', `goes by what its partner said ${Math.round(now - this.#heardAt)} ms ago`);
    const isAlone = message === undefined && now - this.#seenAt > STRANDED_MS && status.helper;
    if (status.state !== 'Fenced' || !isAlone) this.#strandedSince = undefined;
    else if (now - (this.#strandedSince ??= now) > STRANDED_MS)
      fail('R11', 'is fenced from a session that nobody holds');
    if (event.kind === 'partner' && before === 'Fenced' && speaks(status.state)) {
      const { role, open } = event.message;
      if (role === 'MASTER' && !open)
        fail('R9', 'takes from a partner that is MASTER with its gate shut');
    }
    if (event.kind === 'admin' && !status.helper && status.state !== before)
      fail('R12', 'obeys the operator without a helper');
  }

  /** A deadline that stays due when it has been served would keep a processor busy for ever. */
  #checkSpin({ event, now, fail }: Answer): void {
    this.#served = event.kind === 'deadline' && now - this.#servedAt < 1e-3 ? this.#served + 1 : 0;
    this.#servedAt = now;
    if (this.#served > MAX_SERVED) fail('deadline', 'is woken again and again');
  }

  /** R10: what the kernel was told is what the reasons say, at every moment; a waiting router is held down. */
  #checkDemotion({ event, actions, status, fail }: Answer): void {
    const told = lastOf(actions, 'demote');
    if (event.kind === 'helper-up' && told === undefined) {
      fail('R10', 'does not tell a helper that has just come whether it is demoted');
    }
    this.#demotes = told?.on ?? this.#demotes;
    const reasons = status.demoted;
    if (this.#demotes !== reasons.length > 0) {
      fail('R10', `told the kernel ${this.#demotes}, for [${reasons.join(', ')}]`);
    }
    if (status.state !== 'Waiting' && reasons.includes('hold-down')) {
      fail('R10', `is held down while it is ${status.state}`);
    }
    const isLost = status.role === 'INIT';
    if (status.helper && isLost !== reasons.includes('no-role')) {
      fail('R11', `is ${isLost ? 'not ' : ''}demoted for a role that is ${status.role}`);
    }
    if (status.helper && status.state === 'Waiting' && !this.#demotes) {
      fail('R10', 'waits for its partner without being demoted');
    }
  }

  /**
   * R10: answers to what we asked prove the session. What the other router asked is answered to our MAC too, at times
   * under an identifier of ours; so one is not enough to accuse.
   */
  #checkAnswers({ event, actions, status, fail }: Answer): void {
    const isDue =
      speaks(status.state) && status.snapshot.facts !== null && status.carrier && !this.#isUnsaved;
    const isNew = actions.some(({ kind }) => kind === 'attach');
    if (!isDue || status.proven || isNew) {
      if (this.#asked.size > 0) this.#asked.clear();
      this.#uncounted = 0;
    }
    const reply = event.kind === 'ppp' ? event.packet : undefined;
    const isAnswer = reply?.protocol === 'LCP' && reply.packet.code === 'Echo-Reply';
    if (isAnswer && this.#asked.has(reply.packet.identifier) && ++this.#uncounted > 2)
      fail('R10', 'was answered by the AC, and does not count it');
    if (isDue && !status.proven)
      for (const action of actions) {
        const identifier = echoOf(action);
        if (identifier !== undefined) this.#asked.add(identifier);
      }
  }

  /** R10: a demotion goes with its reason: with what the operator, the partner or the carrier says. */
  #checkPoint({ event, before, status, fail }: Answer): void {
    const { demoted } = status;
    const isObeyed = status.helper && before !== 'Waiting' && before !== 'Fenced';
    if (event.kind === 'admin' && event.verb === 'connect' && isObeyed)
      if (demoted.includes('handoff') || demoted.includes('watchdog'))
        fail('R10', 'stays demoted for a handoff that the operator takes back');
    const isVain =
      (event.kind === 'partner' && !event.message.healthy && !event.message.proven) ||
      (event.kind === 'carrier' && event.up);
    if (isVain && demoted.includes('watchdog'))
      fail('R10', 'stays demoted for a partner that can do no better');
  }

  /** R10: the role was given to a partner that can carry the session, and only for as long as it can. */
  #checkSacrifice({ status, now, fail }: Answer): void {
    const isInVain =
      status.demoted.includes('handoff') &&
      status.state !== 'Yielding' &&
      status.partner.message?.healthy === false;
    if (!isInVain) this.#sacrificedSince = undefined;
    else if (now - (this.#sacrificedSince ??= now) > SACRIFICE_MS)
      fail('R10', 'stays demoted for a partner that cannot carry the session');
  }

  /** R12: only to a partner that can, and not for ever. */
  #checkHandoff({ before, status, now, fail }: Answer): void {
    if (status.state !== 'Yielding') {
      this.#yieldingSince = undefined;
      return;
    }
    this.#yieldingSince ??= now;
    if (now - this.#yieldingSince > HANDOFF_MS) {
      fail('R12', `has been yielding for ${Math.round(now - this.#yieldingSince)} ms`);
    }
    if (before === 'Yielding') return;
    const { message } = status.partner;
    const isReady =
      message?.armed === true && message.healthy && !isNewer(status.snapshot, message.snapshot);
    if (!isReady || !status.proven) fail('R12', 'hands over to a partner that is not ready');
  }

  /** R10: a dial that the AC answers is not given up: the partner's would meet the session that this one has. */
  #checkDial({ event, actions, status, now, fail }: Answer): void {
    // A phase that had no carrier has its time again.
    if (isStep(event) || (event.kind === 'carrier' && event.up)) this.#answeredAt = now;
    const isOver =
      status.state !== 'Holding' ||
      status.snapshot.facts !== null ||
      !status.helper ||
      !status.carrier ||
      this.#isUnsaved ||
      actions.some(isFarewell);
    if (isOver) this.#grantedAt = undefined;
    else if (event.kind === 'discovery' && actions.some(({ kind }) => kind === 'attach'))
      this.#grantedAt = now;
    const wasGivenUp = this.#isGivenUp;
    this.#isGivenUp = status.demoted.includes('watchdog');
    if (this.#grantedAt === undefined || wasGivenUp || !this.#isGivenUp) return;
    if (event.kind === 'deadline' && now - this.#grantedAt < DIAL_MS)
      fail('R10', 'gives up a dial that the AC answers');
  }

  /** R10: a session that stays down where the partner could carry it is given up. */
  #checkDown({ status, now, fail }: Answer): void {
    const isDown =
      this.#policy === undefined &&
      status.state === 'Holding' &&
      status.helper &&
      (!status.proven || status.refused !== undefined) &&
      status.partner.message?.healthy === true &&
      !status.demoted.includes('watchdog');
    if (!isDown) this.#downSince = undefined;
    else {
      const since = (this.#downSince ??= now);
      const patient = Math.min(this.#answeredAt + ANSWERED_MS, since + STRUNG_ALONG_MS);
      if (now > Math.max(since + DOWN_MS, patient))
        fail('R10', 'keeps the role with a session that is down');
    }
  }

  /** Every second the partner is told, whatever else happens. */
  #checkTells(connected: boolean, { actions, now, fail }: Answer): void {
    let tells = 0;
    for (const { kind } of actions) if (kind === 'tell-partner') tells += 1;
    if (tells > 1) fail('bounds', `tells its partner ${tells} times in one answer`);
    if (tells > 0 || !connected) this.#lastTold = now;
    else if (now - this.#lastTold > 60_000) {
      fail('R8', 'has told its partner nothing for a minute');
    }
  }
}

/** What the helper found behind an open gate is another session than the one we know. */
const isForeign = (event: Extract<Event, { kind: 'helper-up' }>, status: OwnerStatus): boolean => {
  const { attached, gateOpen } = event.state;
  const known = status.snapshot.facts?.key.sessionId;
  return gateOpen && attached !== null && attached.sessionId !== known;
};

/** The AC takes part in a dial. */
const isStep = (event: Event): boolean =>
  (event.kind === 'discovery' && event.packet.code !== 'PADT') ||
  (event.kind === 'ppp' &&
    event.packet.protocol !== 'unknown' &&
    !event.packet.packet.code.startsWith('Echo-'));

/** The router ends a session, or a dial's. */
const isFarewell = (action: Action): boolean =>
  action.kind === 'detach' ||
  (action.kind === 'send-ppp' &&
    action.packet.protocol === 'LCP' &&
    action.packet.packet.code === 'Terminate-Request');

/** The Identifier of an Echo-Request. */
const echoOf = (action: Action): number | undefined =>
  action.kind === 'send-ppp' &&
  action.packet.protocol === 'LCP' &&
  action.packet.packet.code === 'Echo-Request'
    ? action.packet.packet.identifier
    : undefined;

/** The last action of a kind. */
function lastOf<K extends Action['kind']>(
  actions: readonly Action[],
  kind: K,
): Extract<Action, { readonly kind: K }> | undefined {
  for (let i = actions.length - 1; i >= 0; i--) {
    const action = actions[i];
    if (action?.kind === kind) return action as Extract<Action, { readonly kind: K }>;
  }
  return undefined;
}

const speaks = (state: OwnerState): boolean => state === 'Holding' || state === 'Yielding';

/** The operator has disconnected, whether or not the AC has let go yet. */
export const isOff = (state: OwnerState): boolean =>
  state === 'HangingUp' || state === 'Redialling' || state === 'Off';

/** R1: who holds is who the newest word says; and a helper that is gone is known to be gone. */
function checkPlace(id: number, policy: Plan['policy'], { event, status, fail }: Answer): void {
  const claims = speaks(status.state) || isOff(status.state);
  if (claims && status.snapshot.holder !== id)
    fail('R1', `is ${status.state} in an epoch of router ${status.snapshot.holder - 1}`);
  const isUnheard = status.partner.message === undefined;
  const isLater =
    event.kind === 'own-mac-heard' && isLaterEpoch(event.epoch, status.snapshot.epoch);
  // Under `pinned` frames that anybody can send move nothing.
  if (isLater && isUnheard && claims && policy !== 'pinned')
    fail('R9', `is ${status.state} after an announce frame of a higher epoch`);
  if (event.kind === 'helper-down' && status.helper)
    fail('R10', 'believes in a helper that is gone');
}

/** What the partner is told is what is. */
function checkWords({ event, actions, status, fail }: Answer): void {
  for (const action of actions) {
    if (action.kind !== 'tell-partner') continue;
    const { message } = action;
    const isTrue =
      message.armed === status.armed &&
      message.open === speaks(status.state) &&
      message.proven === status.proven &&
      // The partner's own wish to yield takes ours back, and the next word says so.
      (event.kind === 'partner' || message.yielding === status.demoted.includes('handoff')) &&
      message.hearing === (status.partner.message !== undefined) &&
      (status.helper || !message.healthy);
    if (!isTrue) fail('R8', 'tells its partner what is not so');
  }
}

/** R13: via the partner only while it is known to carry the session: its own message says so, or its announce frame. */
function checkRoute(seenFor: number, { actions, status, fail }: Answer): void {
  const { message } = status.partner;
  const says = message?.open === true && message.snapshot.facts !== null;
  if (says || seenFor < SEEN_MS + 20) return;
  if (actions.some((action) => action.kind === 'route' && action.via === 'partner'))
    fail('R13', 'routes via a partner that is not known to carry the session');
}

/** A fenced router's gate never opens by itself; a standby's does. */
function checkAutoOpen({ actions, status, fail }: Answer): void {
  const last = lastOf(actions, 'attach');
  if (last === undefined || isOff(status.state)) return;
  if (last.autoOpen !== (status.state !== 'Fenced')) {
    fail('R2', `is ${status.state} and may ${last.autoOpen ? '' : 'not '}open by itself`);
  }
}

/** What a takeover of a session that lives must do, in this order; and what comes first when it is given away. */
function checkOrder({ before, actions, status, fail }: Answer): void {
  if (speaks(before) && (status.state === 'Standby' || status.state === 'Fenced')) {
    const first = actions.find(({ kind }) => kind !== 'note' && kind !== 'demote');
    const closes = first?.kind === 'detach' || (first?.kind === 'gate' && !first.open);
    if (!closes) {
      fail('order', `begins with ${first?.kind ?? 'nothing'}, not by closing its gate`);
    }
    if (!actions.some(({ kind }) => kind === 'tell-partner')) {
      fail('order', 'does not tell its partner that it has released');
    }
    const route = lastOf(actions, 'route');
    if (route === undefined || route.via === 'session')
      fail('order', 'does not take its default route out of the session');
  }
  const takes = !speaks(before) && speaks(status.state);
  if (!takes || status.snapshot.facts === null) return;
  const wanted = ['gate', 'announce', 'send-ppp', 'tell-partner'];
  const found = actions.map(({ kind }) => kind).filter((kind) => kind !== 'note');
  let done = 0;
  for (const kind of found) if (kind === wanted[done]) done++;
  // The helper has done these at the edge; they are only said again.
  const isRestated = found.includes('configure') && found.includes('route');
  const isInOrder = done === wanted.length && isRestated;
  // Without carrier nobody is asked: no answer can come.
  if (isInOrder || !status.carrier) return;
  fail('order', `takes over with ${found.join(', ')}`);
}
