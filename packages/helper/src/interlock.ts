/**
 * Whether a session's gate may be open, and where its default route may lead: the helper's own decisions, which no
 * supervisor can overrule (docs/failover.md, rules R2 and R13). It decides and does nothing.
 */
import type { Role, Via } from './backend.ts';
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

/** What the decision about the default route looks at, beside the gate as it is now. */
export interface Routing extends Pick<Interlock, 'policy' | 'role' | 'open'> {
  /** The session's addresses are known. */
  readonly settings: boolean;
  /** As this helper has set it; undefined if it has not: an earlier one may have. */
  readonly route: Via | undefined;
}

/**
 * Whether the traffic of the LAN is this router's to forward: what it sends to its partner instead would come back. Under
 * `manual` the helper knows no other sign of it than the open gate.
 */
export const isLive = ({
  policy,
  role,
  open,
}: Pick<Interlock, 'policy' | 'role' | 'open'>): boolean =>
  open || (policy !== 'manual' && role === 'MASTER');

/** Where the default route belongs now that role and gate are what they are; undefined: it stays, and is not known. */
export function routeAfter(state: Routing): Via | undefined {
  const { open, settings, route } = state;
  if (open && settings) return 'session';
  if (open) return route === 'partner' ? 'none' : route;
  return route === 'partner' && !isLive(state) ? 'partner' : 'none';
}
