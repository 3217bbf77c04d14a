/**
 * Whether a session's gate may be open: the helper's own decision, which no supervisor can overrule (docs/failover.md, rule R2). It
 * decides and does nothing.
 */
import type { Role } from './backend.ts';
import type { SessionPolicy } from './policy.ts';

/** Everything the decision looks at. */
export interface Interlock {
  readonly policy: SessionPolicy['policy'];
  readonly role: Role;
  /** Joined to the kernel's session, so that an open gate means something. */
  readonly attached: boolean;
  /** The supervisor's leave, given with `attach`, to open on the edge to MASTER without asking it again. */
  readonly autoOpen: boolean;
  readonly open: boolean;
}

/** Under `pinned` nothing decides but the configuration: whatever the kernel says, this router is MASTER. */
export const effectiveRole = (policy: SessionPolicy['policy'], role: Role): Role =>
  policy === 'pinned' ? 'MASTER' : role;

/** Whether a request to open the gate is allowed. Closing always is. */
export const mayOpen = ({ policy, role }: Pick<Interlock, 'policy' | 'role'>): boolean =>
  policy !== 'follow-carp' || role === 'MASTER';

/**
 * Where the gate belongs now that the role is what it is.
 *
 * @param edge  the role has just changed to this; without an edge an allowed gate stays as it was asked to be
 */
export function gateAfter(state: Interlock, edge: boolean): boolean {
  if (!mayOpen(state)) return false;
  if (state.policy === 'follow-carp' && edge && state.attached && state.autoOpen) return true;
  return state.open;
}
