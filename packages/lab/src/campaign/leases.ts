/**
 * The rules of a DHCPv6 lease that moves with its session (docs/ipv6.md): who may speak, what is given back, and what the two
 * routers show. It looks only.
 */
import type { Action } from '@ppp-thing/protocol/engine/events';
import { samePrefix, unexpired, type Lease } from '@ppp-thing/protocol/lease';
import type { Fault } from './faults.ts';
import { isSingleFault } from './plan.ts';
import type { RouterView, Stage } from './stage.ts';
import type { Break } from './watch.ts';

/** Routers that hear each other show the same prefix: a second for the next word, its way, and the disk. */
const ALIKE_MS = 2000;
/** A kernel that was told nothing: the helper is asked again every 30 s. */
const DELEGATED_MS = 31_000;

/** Between two looks: every rule of this file allows seconds, and a look costs more than a step. */
const LOOK_MS = 500;

/** Milliseconds since 1970-01-01 UTC when the world begins. */
export const WALL_CLOCK_AT_ZERO = 1.7e12;

const textOf = (prefixes: readonly { readonly prefix: Uint8Array }[]): string =>
  prefixes.map(({ prefix }) => prefix.join('.')).join(' ');

const NO_PREFIX: Lease['prefixes'] = [];

/** Twice a second the same lists are looked at: each is written once. */
const written = new WeakMap<object, string>();

function textOnce(prefixes: Lease['prefixes']): string {
  const text = written.get(prefixes) ?? textOf(prefixes);
  written.set(prefixes, text);
  return text;
}

/** The prefixes of a `delegate` that are not former ones, as one text. */
export const delegatedOf = ({ lease, prefixes }: Extract<Action, { kind: 'delegate' }>): string =>
  textOf((lease?.prefixes ?? []).filter((each) => prefixes.some((one) => samePrefix(one, each))));

export class Leases {
  readonly #stage: Stage;
  readonly #fail: Break;
  #lookedAt = -Infinity;
  #differsSince: number | undefined;
  readonly #staleSince: [number | undefined, number | undefined] = [undefined, undefined];
  /** What the line had first: no single fault may change it. */
  #first: string | undefined;

  constructor(stage: Stage, fail: Break) {
    this.#stage = stage;
    this.#fail = fail;
  }

  /** R3: a Release is sent only after `disconnect`. R7: a session that has a lease asks for none. */
  transmitted(router: RouterView, action: Action): void {
    if (action.kind !== 'send-dhcp6') return;
    const { state, snapshot } = router.status() ?? {};
    const lease =
      snapshot?.lease && unexpired(snapshot.lease, WALL_CLOCK_AT_ZERO + this.#stage.now);
    if (action.message.type === 'Solicit' && lease && lease.session === snapshot?.facts?.startedAt)
      this.#fail('R7', `router ${router.index} asks anew for what this session has`);
    if (action.message.type !== 'Release') return;
    if (state === 'HangingUp' || state === 'Off') return;
    this.#fail('R3', `router ${router.index} releases its prefix while it is ${state}`);
  }

  afterStep(isSingle: boolean): void {
    const { plan, routers, now } = this.#stage;
    if (plan.delegating === undefined || now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    const shown = routers.map((router) => shownBy(router, now));
    this.#checkAlike(shown, now);
    for (const router of routers) this.#checkKernel(router, shown[router.index], now);
    if (isSingle && isSingleFault(plan)) this.#checkKept(plan.faults[0]?.fault, shown);
  }

  /** R8: both routers show the same prefix within two seconds of a change. */
  #checkAlike([one, other]: readonly (string | undefined)[], now: number): void {
    const { canTell, plan } = this.#stage;
    const isAlike = one === undefined || other === undefined || one === other;
    const isJumbled = plan.faults.some(({ fault }) => fault.kind === 'partner-jumble');
    if (isAlike || !canTell || isJumbled) this.#differsSince = undefined;
    else if (now - (this.#differsSince ??= now) > ALIKE_MS)
      this.#fail('R8', `the routers show the prefixes [${one}] and [${other}]`);
  }

  /** R8: the LANs have what the router shows. */
  #checkKernel(
    { index, kernel, isDiskFull }: RouterView,
    shown: string | undefined,
    now: number,
  ): void {
    const has = kernel.prefixes ?? '';
    // A kernel that refuses, and one whose addresses have ended by themselves, are not told apart here.
    const isRefusing = this.#stage.plan.faults.some(({ fault }) => fault.kind === 'kernel-refuses');
    const isStale =
      !isRefusing && shown !== '' && !isDiskFull && shown !== undefined && shown !== has;
    if (!isStale) this.#staleSince[index] = undefined;
    else if (now - (this.#staleSince[index] ??= now) > DELEGATED_MS)
      this.#fail('R8', `router ${index} shows [${shown}], and its LANs have [${has}]`);
  }

  /** R7: a single fault costs nobody the prefix. */
  #checkKept(fault: Fault | undefined, shown: readonly (string | undefined)[]): void {
    if (fault?.kind === 'disconnect') return;
    for (const each of shown) {
      if (each === undefined || each === '') continue;
      this.#first ??= each;
      if (each !== this.#first)
        this.#fail('R7', `${fault?.kind}: the prefix [${this.#first}] has become [${each}]`);
    }
  }
}

/** What is valid of it. Undefined while it says nothing: no supervisor, or one that has not heard its partner yet. */
function shownBy(router: RouterView, now: number): string | undefined {
  const status = router.supervisor?.connected === true ? router.status() : undefined;
  if (status === undefined || (status.state !== 'Holding' && status.state !== 'Standby'))
    return undefined;
  const { lease } = status.snapshot;
  return textOnce((lease && unexpired(lease, WALL_CLOCK_AT_ZERO + now))?.prefixes ?? NO_PREFIX);
}
