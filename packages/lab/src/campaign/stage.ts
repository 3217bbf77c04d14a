/**
 * What the rules see of a pair at work, whichever campaign plays it: two routers, their line, their AC and their clock. It
 * is read only; who plays it is not its business.
 */
import type { OwnerStatus } from '@ppp-thing/protocol/engine/engine';
import type { Role, Snapshot } from '@ppp-thing/protocol/session';
import type { SimKernel } from './kernel.ts';
import type { Way } from './line.ts';
import type { RouterIndex } from './faults.ts';
import type { Plan } from './plan.ts';

export interface RouterView {
  readonly index: RouterIndex;
  readonly isPowered: boolean;
  /** What its kernel holds. */
  readonly kernel: Readonly<SimKernel>;
  /** Undefined while the helper is not running. `settings`: it knows what to give the interface as its gate opens. */
  readonly helper: { readonly autoOpen: boolean; readonly settings: boolean } | undefined;
  /** Undefined while the supervisor is not running; connected once the helper has answered its `hello`. */
  readonly supervisor: { readonly connected: boolean } | undefined;
  /** What a crash would leave of the snapshot. */
  readonly disk: Snapshot;
  readonly isDiskFull: boolean;
  /** Its kernel refuses some of what it is asked. */
  readonly isRefusing: boolean;
  /** Its supervisor stands still, or has done so in the last seconds: it may be late. */
  readonly isLate: boolean;
  /** Our demotion is in force. */
  readonly demoted: boolean;
  /** What the engine says of itself; undefined without a supervisor. */
  status(): OwnerStatus | undefined;
}

export interface Stage {
  readonly plan: Plan;
  readonly routers: readonly [RouterView, RouterView];
  /** Milliseconds since the world began. */
  readonly now: number;
  /** How many things are still to happen. */
  readonly underWay: number;
  /** Whether what the partners say arrives, and what they hear can be stored. */
  readonly canTell: boolean;
  /** Whether announce frames pass between the two, and both can store what they take. */
  readonly canAnnounce: boolean;
  role(index: RouterIndex): Role;
  /** A helper that runs has had the time to obey CARP's last edge. */
  hasObeyed(index: RouterIndex): boolean;
  /** The session that carries traffic at the AC, if one does. */
  live(): number | undefined;
  /** Whether the line passes frames between this router and the others. */
  reaches(index: RouterIndex, way: Way): boolean;
  /** Whether this rule may be broken: who lies with the right key can do so much. */
  forgives(rule: string): boolean;
  note(line: string): void;
}
