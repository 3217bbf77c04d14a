/**
 * The rules of the handoff (docs/failover.md) as checks of a running world. A check only looks; the first violation
 * ends the run.
 */
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import { isLaterEpoch, type Snapshot } from '@ppp-thing/protocol/session';
import type { Fault } from './faults.ts';
import { durationOf, isSingleFault, TRAFFIC_MS } from './plan.ts';
import { checkAftermath } from './aftermath.ts';
import { BackOff } from './back-off.ts';
import type { RouterView, Stage } from './stage.ts';
import { Conversation } from './conversation.ts';
import { Leases } from './leases.ts';
import { isOff, Watch } from './watch.ts';

export interface Violation {
  readonly rule: string;
  readonly what: string;
  readonly atMs: number;
}

/** CARP's detection at advbase 1 s and the worst skew, and the second that rule R7 allows on top. */
const TAKEOVER_MS = 3940 + 1000;
/** A silent line is only found out by Echo-Requests. */
const SILENT_LINE_MS = 5000 + 2 * 5000 + TAKEOVER_MS;
const CONVERGED_MS = 5000;
/** Routers that hear each other agree on who holds in this time: a second for the next word, and its way. */
const SPLIT_MS = 2000;
/** Routers that share only the line: three seconds until the other counts as silent, and an announce frame's round. */
const ANNOUNCED_MS = 10_000;
/** After a fault has healed, what fails for another while may still be its doing. */
const CALM_AGAIN_MS = 10_000;
/** A standby that does not know better may send its packets for this long to a partner that carries nothing any more. */
const STALE_ROUTE_MS = 3000 + 15_000 + 500;
/** What a helper is told it has done within this time. */
const SERVED_MS = 20;
/** A kernel that refuses is asked every second. */
const FORWARDS_MS = 3000;
const MAX_QUEUE = 500;
/** Requests without an answer after which the AC may be taken for gone. */
const SILENT_REQUESTS = 10;
/** Of a session that was up: as often within `ANEW_MS` is a session that does not last, whatever the AC calls it. */
const BEGUN_ANEW = 6;
const ANEW_MS = 360_000;
/** A session that is proven, and through which nothing goes. */
const HOLLOW_MS = 6000;
const MAX_EMPTY_CLAIMS = 4;
/** Of both routers, each dial's repetitions included. */
const MAX_PADR_PER_MINUTE = 24;

export class Rules {
  violation: Violation | undefined;
  readonly #stage: Stage;
  #lastEdge = 0;
  #lastHealed = 0;
  /** Faults that are still to come, or not healed yet. */
  #pendingFaults = 0;
  #lastCarried: number | undefined;
  #carriedSession: number | undefined;
  #carriedSince = 0;
  #worstGap = 0;
  readonly #unanswered: [number, number] = [0, 0];
  /** The session that a dial left unfinished, as each router has last stored it. */
  readonly #halfMade: [number | undefined, number | undefined] = [undefined, undefined];
  /** When the AC began a negotiation of a session that was up. */
  readonly #begunAnew: [number[], number[]] = [[], []];
  readonly #operatorAt: [number, number] = [-Infinity, -Infinity];
  readonly #padrs: number[] = [];
  /** Announce frames of a session that the kernel has not joined, since CARP's last edge there. */
  readonly #emptyClaims: [number, number] = [0, 0];
  readonly #watches: readonly [Watch, Watch];
  readonly #backOffs: readonly [BackOff, BackOff] = [new BackOff(0), new BackOff(1)];
  readonly #conversation: Conversation;
  readonly #leases: Leases;
  /** Since when a router has said that its session is proven, and nothing went through it. */
  readonly #hollowSince: [number | undefined, number | undefined] = [undefined, undefined];
  #splitSince: number | undefined;
  /** Without CARP nothing but the partner's silence moves a session, or the operator: its times are not R7's. */
  #isSingle: boolean;
  #disturbedUntil = 0;
  #lineSplitSince: number | undefined;
  readonly #strayingSince: [number | undefined, number | undefined] = [undefined, undefined];
  readonly #untoldAt: [number, number] = [-Infinity, -Infinity];
  readonly #deadSince: [number | undefined, number | undefined] = [undefined, undefined];

  constructor(stage: Stage) {
    this.#stage = stage;
    const { policy } = stage.plan;
    this.#isSingle = policy === undefined;
    this.#watches = [new Watch(0, policy), new Watch(1, policy)];
    this.#conversation = new Conversation((rule, what) => this.#break(rule, what));
    this.#leases = new Leases(stage, (rule, what) => this.#break(rule, what));
  }

  begin(): void {
    this.#pendingFaults = this.#stage.plan.faults.length;
  }

  started(router: RouterView): void {
    this.#watches[router.index].restart(this.#now);
    this.#conversation.started(router);
    // It knows of no refusal yet.
    this.#emptyClaims[router.index] = 0;
    this.#backOffs[router.index].restart();
  }

  /** CARP has moved. */
  carpMoved({ index }: RouterView): void {
    this.#lastEdge = this.#now;
    this.#emptyClaims[index] = 0;
  }

  /** The helper has served CARP's edge: its interlock needs nobody's word. */
  carpEdge(router: RouterView, wasOpen: boolean): void {
    const { helper, kernel, index } = router;
    if (helper === undefined || this.#stage.role(index) !== 'MASTER' || wasOpen) return;
    const mayOpen = helper.autoOpen && kernel.attached !== null;
    if (mayOpen && !kernel.gate) this.#break('R7', `the gate of router ${index} stays closed`);
    if (mayOpen && helper.settings && (kernel.route !== 'session' || kernel.isUp !== true))
      this.#break('R7', `router ${index} is open and does not forward: route ${kernel.route}`);
    if (!mayOpen && kernel.gate) this.#break('R2', `the gate of router ${index} opens unasked`);
  }

  struck(fault: Fault): void {
    if (durationOf(fault) === 0) this.#pendingFaults--;
    this.#lastHealed = Math.max(this.#lastHealed, this.#now);
    // A router that has just failed to dial counts as unable for a while: then the fault is the second one.
    if (this.#stage.routers.some(({ demoted }) => demoted)) this.#isSingle = false;
    if (fault.kind !== 'handoff') {
      const until = this.#now + durationOf(fault) + CALM_AGAIN_MS;
      this.#disturbedUntil = Math.max(this.#disturbedUntil, until);
    }
    if (isHangUp(fault)) this.#operatorAt.fill(this.#now);
  }

  healed(): void {
    this.#pendingFaults--;
    this.#lastHealed = this.#now;
  }

  /** Data went through the session to the AC. */
  carried(router: RouterView, sessionId: number): void {
    if (this.#lastCarried !== undefined) {
      this.#worstGap = Math.max(this.#worstGap, this.#now - this.#lastCarried);
    }
    this.#lastCarried = this.#now;
    const before = this.#carriedSession;
    if (before !== sessionId) this.#carriedSince = this.#now;
    this.#carriedSession = sessionId;
    if (before === undefined || before === sessionId) return;
    const { plan } = this.#stage;
    const [only] = plan.faults;
    const costs = only !== undefined && endsTheSession(only.fault);
    if (this.#isSingle && isSingleFault(plan) && !costs && !this.#isTooLong(only?.fault)) {
      this.#break('R7', `router ${router.index} carries session ${sessionId}, not ${before}`);
    }
  }

  /** A fault that outlasts the AC's own patience costs the session however well it is handled. */
  #isTooLong(fault: Fault | undefined): boolean {
    const { echoMs, echoLimit } = this.#stage.plan.temper;
    return (
      fault?.kind === 'line-loss' ||
      fault?.kind === 'ac-slow' ||
      ((fault?.kind === 'line-cut' || fault?.kind === 'line-one-way') &&
        echoMs * echoLimit < SILENT_LINE_MS)
    );
  }

  /** R3, R4 and R9, of frames that leave the helper. */
  transmitted(router: RouterView, action: Action): void {
    this.#conversation.transmitted(router, action, this.#now);
    this.#leases.transmitted(router, action);
    if (action.kind === 'send-discovery' && action.packet.code === 'PADT')
      this.#checkPadt(router, action.packet.sessionId);
    if (isDial(action)) this.#checkDial(router);
    if (action.kind === 'announce') this.#checkClaim(router);
    if (action.kind === 'send-discovery' && action.packet.code === 'PADR') this.#countPadr();
    if (action.kind !== 'send-ppp' || action.packet.protocol === 'unknown') return;
    const { code } = action.packet.packet;
    if (code === 'Echo-Request' || code === 'Configure-Request' || code === 'Response')
      this.#unanswered[router.index]++;
    const isLive = this.#stage.live() === router.kernel.attached?.sessionId;
    const mayEnd = this.#hasFailed(router) || this.#isOperator(router);
    if (code === 'Terminate-Request' && isLive && !mayEnd) {
      this.#break(
        'R3',
        `router ${router.index} sent Terminate-Request on a live session that it had not probed`,
      );
    }
  }

  /** A session that does not answer, or never lasts, has failed, though the AC calls it live. */
  #hasFailed({ index }: RouterView): boolean {
    const isAnswerless = this.#unanswered[index] >= SILENT_REQUESTS;
    const lately = this.#begunAnew[index].filter((at) => this.#now - at < ANEW_MS);
    return isAnswerless || lately.length >= BEGUN_ANEW;
  }

  /** One is sent before the kernel's refusal is known, and fences a partner that carries the session. */
  #checkClaim({ index, kernel, disk }: RouterView): void {
    if (kernel.attached !== null || disk.facts === null) this.#emptyClaims[index] = 0;
    else if (++this.#emptyClaims[index] > MAX_EMPTY_CLAIMS)
      this.#break('R9', `router ${index} claims a session that its kernel does not carry`);
  }

  #checkPadt(router: RouterView, sessionId: number): void {
    const wasUp = this.#stage.live() === sessionId;
    // The AC may call it live already. A router that takes over and has not heard so cannot resume it.
    if (wasUp && this.#halfMade[router.index] === sessionId) return this.#checkDial(router);
    if (wasUp && !this.#isOperator(router) && !this.#hasFailed(router)) {
      this.#break(
        'R3',
        `router ${router.index} sent PADT for a live session that it had not probed`,
      );
    }
  }

  #checkDial(router: RouterView): void {
    // Nobody could have told it by now.
    const { canTell, canAnnounce } = this.#stage;
    const news = Math.max(this.#lastEdge, this.#lastHealed, this.#carriedSince);
    if (this.#now - news < (canTell ? SPLIT_MS : ANNOUNCED_MS)) return;
    if (!canTell && !canAnnounce) return;
    const other = this.#stage.routers[1 - router.index];
    const live = this.#stage.live();
    const carries =
      // What reaches nobody harms nobody.
      this.#stage.reaches(router.index, 'in') &&
      this.#stage.reaches(router.index, 'out') &&
      other?.isPowered === true &&
      other.kernel.gate &&
      other.kernel.attached?.sessionId === live &&
      // What it could not store it could not tell.
      other.disk.facts?.key.sessionId === live &&
      live !== undefined &&
      this.#stage.reaches(other.index, 'in') &&
      this.#stage.reaches(other.index, 'out');
    if (carries && this.#lastCarried !== undefined && this.#now - this.#lastCarried < 1000) {
      this.#break('R9', `router ${router.index} dials while its partner carries session ${live}`);
    }
  }

  #countPadr(): void {
    this.#padrs.push(this.#now);
    while ((this.#padrs[0] ?? this.#now) < this.#now - 60_000) this.#padrs.shift();
    if (this.#padrs.length > MAX_PADR_PER_MINUTE) {
      this.#break('back-off', `${this.#padrs.length} PADRs within a minute`);
    }
  }

  /** The operator's word stands for as long as the kernel refuses what it takes. */
  #isOperator(router: RouterView): boolean {
    const state = router.status()?.state;
    return (
      (state !== undefined && isOff(state)) || this.#now - this.#operatorAt[router.index] < 20_000
    );
  }

  /** R1, R5 and R6, of one answer of an engine. */
  answered(router: RouterView, event: Event, actions: readonly Action[]): void {
    this.#conversation.answered(router);
    const us = router.index + 1;
    const watch = this.#watches[router.index];
    this.#backOffs[router.index].answered(router, event, actions, this.#now, this.#fail);
    const isUndone = watch.answered(router, event, actions, this.#now, this.#fail);
    if (isUndone && this.#now > this.#disturbedUntil)
      this.#break('R12', `the handoff of router ${router.index} is undone, and nothing was wrong`);
    if (isAnswer(event)) this.#unanswered[router.index] = 0;
    let stored = router.disk;
    if (stored.facts !== null && begins(event)) this.#begunAnew[router.index].push(this.#now);
    for (const action of actions) {
      if (action.kind === 'store') {
        if (router.isDiskFull) return;
        const { epoch } = action.snapshot;
        if (isLaterEpoch(stored.epoch, epoch)) {
          this.#break('R6', `router ${router.index} stored epoch ${epoch} after ${stored.epoch}`);
        }
        this.#knows(router, action.snapshot);
        if (event.kind === 'partner') this.#checkVoid(router, stored, action.snapshot);
        stored = action.snapshot;
      } else if (action.kind === 'tell-partner') {
        if (isLaterEpoch(action.message.snapshot.epoch, stored.epoch)) {
          this.#break(
            'R5',
            `router ${router.index} told epoch ${action.message.snapshot.epoch} before storing it`,
          );
        }
      } else if (isDial(action) && stored.facts !== null) {
        this.#break('R4', `router ${router.index} dials while it has a snapshot of a session`);
      } else if (speaks(action) && stored.holder !== us) {
        this.#break(
          'R1',
          `router ${router.index} wants ${action.kind} while ${stored.holder} holds epoch ${stored.epoch}`,
        );
      } else if (action.kind === 'announce' && isLaterEpoch(action.epoch, stored.epoch)) {
        this.#break(
          'R5',
          `router ${router.index} announced epoch ${action.epoch} before storing it`,
        );
      }
    }
  }

  /** A session that came up is no longer half-made. */
  #knows({ index }: RouterView, { facts, halfMade }: Snapshot): void {
    if (facts !== null) this.#halfMade[index] = undefined;
    else if (halfMade !== undefined) this.#halfMade[index] = halfMade.sessionId;
  }

  /** R4: the session that a holder opened is not void because its partner took before it heard of it. */
  #checkVoid(router: RouterView, before: Snapshot, after: Snapshot): void {
    const live = before.facts?.key.sessionId;
    const isOwn = before.holder === router.index + 1 && after.holder !== before.holder;
    // A generation says that it has ended.
    const isIgnorant = after.facts === null && after.generation === 0;
    const isNext = isLaterEpoch(after.epoch, before.epoch) && after.epoch - before.epoch === 1;
    if (live !== undefined && live === this.#stage.live() && isOwn && isIgnorant && isNext)
      this.#break('R4', `router ${router.index} forgets its session for a partner that has none`);
  }

  /** An engine has answered, and asks to be woken at no time. */
  waitsForEver(router: RouterView): void {
    if (router.supervisor?.connected === true)
      this.#break('deadline', `router ${router.index} waits for ever`);
  }

  /** What must hold at every moment. */
  afterStep(): void {
    const { underWay, routers } = this.#stage;
    if (underWay > MAX_QUEUE) this.#break('bounds', `${underWay} things under way`);
    const [one, other] = routers;
    this.#checkGate(one);
    this.#checkGate(other);
    this.#checkRoute(one, other);
    this.#checkRoute(other, one);
    this.#checkForwards(one);
    this.#checkForwards(other);
    this.#checkPath(one);
    this.#checkPath(other);
    this.#checkSplit(carries(one) && carries(other));
    this.#checkConverged();
    this.#leases.afterStep(this.#isSingle);
  }

  #checkGate({ index, helper, kernel }: RouterView): void {
    if (this.#stage.plan.policy !== undefined) return;
    if (helper === undefined || !kernel.gate || this.#stage.role(index) === 'MASTER') return;
    if (!this.#stage.hasObeyed(index)) return;
    this.#break('R2', `router ${index} is ${this.#stage.role(index)} with an open gate`);
  }

  /** R13: what a live router sends to its partner comes back, until its TTL ends. */
  #checkRoute(
    { index, helper, kernel, supervisor, isRefusing }: RouterView,
    other: RouterView,
  ): void {
    if (helper === undefined || kernel.route !== 'partner') {
      this.#strayingSince[index] = undefined;
      return;
    }
    // What the kernel does not take is asked for again.
    if (!this.#stage.hasObeyed(index) || isRefusing) {
      this.#strayingSince[index] = undefined;
      return;
    }
    // A helper that was started again behind an open gate knows of no route until it is told.
    if (kernel.gate && !helper.settings) this.#untoldAt[index] = this.#now;
    if (this.#now - this.#untoldAt[index] < SERVED_MS) return;
    // The operator's word has its way to the helper still before it.
    if (this.#stage.plan.policy !== 'manual' && this.#stage.role(index) === 'MASTER')
      this.#break('R13', `router ${index} is MASTER and routes via its partner`);
    if (kernel.gate)
      this.#break('R13', `router ${index} has an open gate and routes via its partner`);
    // A MASTER without a session drops it; whoever is neither may send it back.
    const carries = other.kernel.gate || this.#stage.role(other.index) === 'MASTER';
    const isTold = supervisor?.connected === true && !carries;
    if (!isTold) this.#strayingSince[index] = undefined;
    else if (this.#now - (this.#strayingSince[index] ??= this.#now) > STALE_ROUTE_MS)
      this.#break('R13', `router ${index} routes via a partner that carries nothing`);
  }

  /** R10: a session that the AC answers, and whose packets the kernel does not take, is said to be down. */
  #checkForwards(router: RouterView): void {
    const { index, kernel, supervisor, isDiskFull } = router;
    const isForwarding = kernel.isUp === true && kernel.route === 'session';
    const status =
      !isForwarding && !isDiskFull && supervisor?.connected === true ? router.status() : undefined;
    const isDead = status?.state === 'Holding' && status.proven && status.refused === undefined;
    if (!isDead) this.#deadSince[index] = undefined;
    else if (this.#now - (this.#deadSince[index] ??= this.#now) > FORWARDS_MS)
      this.#break('R10', `router ${index} calls a session proven that its kernel does not forward`);
  }

  /** R7: a session that is said to be proven carries what is sent through it. */
  #checkPath(router: RouterView): void {
    const { index, kernel } = router;
    const since = Math.max(this.#lastCarried ?? 0, this.#lastHealed, this.#lastEdge);
    if (this.#pendingFaults > 0 || this.#now - since < HOLLOW_MS) {
      this.#hollowSince[index] = undefined;
      return;
    }
    const live = this.#stage.live();
    const isWhole =
      live !== undefined &&
      kernel.gate &&
      kernel.attached?.sessionId === live &&
      this.#stage.reaches(index, 'in') &&
      this.#stage.reaches(index, 'out');
    if (!isWhole || router.status()?.proven !== true) this.#hollowSince[index] = undefined;
    else if (this.#now - (this.#hollowSince[index] ??= this.#now) > HOLLOW_MS)
      this.#break(
        'R7',
        `router ${index} says that its session is proven, and nothing goes through`,
      );
  }

  /** R9: two open gates are a split, and it ends as soon as either way of hearing of each other is whole. */
  #checkSplit(isSplit: boolean): void {
    if (!isSplit) {
      this.#splitSince = undefined;
      this.#lineSplitSince = undefined;
      return;
    }
    const { canTell, canAnnounce } = this.#stage;
    if (!canTell) this.#splitSince = undefined;
    else if (this.#now - (this.#splitSince ??= this.#now) > SPLIT_MS)
      this.#break('R9', `both gates have been open for ${SPLIT_MS} ms`);
    if (!canAnnounce) this.#lineSplitSince = undefined;
    else if (this.#now - (this.#lineSplitSince ??= this.#now) > ANNOUNCED_MS)
      this.#break('R9', `both gates have been open for ${ANNOUNCED_MS} ms on one line`);
  }

  /** R8: some time after everything healed and CARP settled, one holder and a partner in sync. */
  #checkConverged(): void {
    const calmSince = Math.max(this.#lastHealed, this.#lastEdge);
    if (this.#pendingFaults > 0 || this.#now < calmSince + CONVERGED_MS) return;
    if (this.#now < this.#stage.plan.lengthMs - 1) {
      if (this.#checkedAt === calmSince) return;
      this.#checkedAt = calmSince;
    }
    const states = this.#stage.routers.map((router) => router.status());
    const holders = states.filter(
      (status) => status?.state === 'Holding' || status?.state === 'Yielding',
    );
    if (holders.length !== 1) {
      this.#break(
        'R8',
        `${holders.length} holders ${this.#now - calmSince} ms after the last fault healed: ${states.map((status) => status?.state).join(', ')}`,
      );
    }
  }

  #checkedAt = -1;

  /** Traffic runs through a session that lives. */
  get isCarrying(): boolean {
    const isLive = this.#stage.live() !== undefined;
    return isLive && this.#now - (this.#lastCarried ?? -Infinity) <= 2 * TRAFFIC_MS;
  }

  end(): void {
    const { plan } = this.#stage;
    if (this.violation !== undefined) return;
    if (!this.isCarrying)
      this.#break('liveness', 'no session carries traffic long after everything healed');
    // What has only just moved is still under way.
    if (this.#now - this.#lastEdge > CONVERGED_MS) checkAftermath(this.#stage, this.#fail);
    const [only] = plan.faults;
    if (this.#isSingle && isSingleFault(plan) && only !== undefined) this.#checkGap(only.fault);
  }

  /** R7: the same session carries traffic again in time. */
  #checkGap(fault: Fault): void {
    if (endsTheSession(fault) || this.#isTooLong(fault) || fault.kind === 'disk-full') return;
    const isSilent = (fault.kind === 'line-cut' && fault.silent) || fault.kind === 'line-one-way';
    const limit = isSilent ? SILENT_LINE_MS : TAKEOVER_MS;
    if (this.#worstGap > limit + TRAFFIC_MS) {
      this.#break(
        'R7',
        `${fault.kind}: ${Math.round(this.#worstGap)} ms without traffic, ${limit} allowed`,
      );
    }
  }

  /** Something else is broken. */
  accuse(rule: string, what: string): void {
    this.#break(rule, what);
  }

  get #now(): number {
    return this.#stage.now;
  }

  readonly #fail = (rule: string, what: string): void => this.#break(rule, what);

  #break(rule: string, what: string): void {
    if (this.violation !== undefined || this.#stage.forgives(rule)) return;
    this.violation = { rule, what, atMs: this.#now };
    this.#stage.note(`VIOLATION ${rule}: ${what}`);
  }
}

/** With its gate open, and a whole router behind it. */
const carries = ({ kernel, supervisor, helper }: RouterView): boolean =>
  kernel.gate && supervisor?.connected === true && helper !== undefined;

const isAnswer = (event: Event): boolean =>
  event.kind === 'ppp' &&
  event.packet.protocol !== 'unknown' &&
  !ASKING.has(event.packet.packet.code);

const begins = (event: Event): boolean =>
  event.kind === 'ppp' &&
  event.packet.protocol !== 'unknown' &&
  event.packet.packet.code === 'Configure-Request';

const ASKING: ReadonlySet<string> = new Set(['Echo-Request', 'Configure-Request', 'Challenge']);

const isDial = (action: Action): boolean =>
  action.kind === 'send-discovery' && action.packet.code === 'PADI';

const speaks = (action: Action): boolean =>
  action.kind === 'send-ppp' ||
  action.kind === 'send-discovery' ||
  action.kind === 'send-dhcp6' ||
  action.kind === 'announce' ||
  (action.kind === 'gate' && action.open);

const endsTheSession = (fault: Fault): boolean =>
  fault.kind === 'ac-forgets' ||
  fault.kind === 'ac-renegotiates' ||
  fault.kind === 'ac-terminates' ||
  isHangUp(fault);

const isHangUp = (fault: Fault): boolean =>
  fault.kind === 'reconnect' ||
  fault.kind === 'disconnect' ||
  (fault.kind === 'operator' && fault.verb === 'reconnect');
