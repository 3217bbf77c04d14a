/**
 * Whether a session's gate may be open, and where its default route may lead: the helper's own decisions, which no
 * supervisor can overrule (docs/failover.md, rules R2 and R13). It decides and does nothing.
 */
import type { Role, Via } from './backend.ts';
import type { SessionPolicy } from './policy.ts';

/** The inputs of the decision. */
export interface Interlock {
  readonly policy: SessionPolicy['policy'];
  readonly role: Role;
  /** Joined to the kernel's session, so that an open gate means something. */
  readonly attached: boolean;
  /** The supervisor's permission, given with `attach`, to open the gate on the edge to MASTER without a further request. */
  readonly autoOpen: boolean;
  readonly open: boolean;
}

/** Under `pinned` the configuration alone decides: this router is MASTER whatever role the kernel reports. */
export const effectiveRole = (policy: SessionPolicy['policy'], role: Role): Role =>
  policy === 'pinned' ? 'MASTER' : role;

/** Whether a request to open the gate is allowed. Closing always is. */
export const mayOpen = ({ policy, role }: Pick<Interlock, 'policy' | 'role'>): boolean =>
  policy !== 'follow-carp' || role === 'MASTER';

/**
 * Whether the gate should be open under the current role.
 *
 * @param edge  the role has just changed to this; without an edge an allowed gate stays as the supervisor requested it
 */
export function gateAfter(state: Interlock, edge: boolean): boolean {
  if (!mayOpen(state)) return false;
  if (state.policy === 'follow-carp' && edge && state.attached && state.autoOpen) return true;
  return state.open;
}

/** Why a router that has become MASTER keeps its gate closed, for the log. */
export function closedBecause({
  policy,
  attached,
  autoOpen,
}: Pick<Interlock, 'policy' | 'attached' | 'autoOpen'>): string {
  if (policy === 'manual') return 'policy manual';
  if (!attached) return 'no session is attached';
  return autoOpen ? 'the kernel refused to open it' : 'it is not armed';
}

/** The inputs of the decision about the default route, with the current gate. */
export interface Routing extends Pick<Interlock, 'policy' | 'role' | 'open'> {
  /** The session's addresses are known. */
  readonly settings: boolean;
  /** The route that this helper has set; undefined if it has set none. An earlier helper may have. */
  readonly route: Via | undefined;
}

/**
 * Whether this router forwards the traffic of the LAN: packets sent to the partner instead would come back. Under
 * `manual` the open gate is the helper's only sign of it.
 */
export const isLive = ({
  policy,
  role,
  open,
}: Pick<Interlock, 'policy' | 'role' | 'open'>): boolean =>
  open || (policy !== 'manual' && role === 'MASTER');

/** The default route that role and gate require; undefined: leave it, because it is not known. */
export function routeAfter(state: Routing): Via | undefined {
  const { open, settings, route } = state;
  if (open && settings) return 'session';
  if (open) return route === 'partner' ? 'none' : route;
  return route === 'partner' && !isLive(state) ? 'partner' : 'none';
}
