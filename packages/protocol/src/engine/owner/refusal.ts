/** Why the operator's verb would be refused now. It changes nothing. */
import type { Instant } from '../../time.ts';
import type { AdminVerb } from '../events.ts';
import type { Owner } from './owner.ts';
import { stepOwner } from './ownership.ts';
import { isNewer } from '../../session.ts';

const EVENTS = {
  handoff: 'Handoff',
  connect: 'Connect',
  disconnect: 'Disconnect',
  reconnect: 'Disconnect',
} as const;

/** As a sentence; undefined if it would be obeyed. */
export function refusal(owner: Owner, verb: AdminVerb, now: Instant): string | undefined {
  if (stepOwner(owner.state, EVENTS[verb]) === undefined)
    return `${verb} is not possible in state ${owner.state}`;
  if (owner.helper === undefined) return 'the helper is away';
  return verb === 'handoff' ? handoffRefusal(owner, now) : undefined;
}

/** Rule R12. */
function handoffRefusal(owner: Owner, now: Instant): string | undefined {
  const { policy, hasPartner } = owner.config.owner;
  const partner = owner.partner.fresh(now);
  if (policy === 'pinned') return 'the policy is pinned: this router always holds the session';
  if (!hasPartner) return 'no partner is configured';
  if (partner === undefined) return 'the partner is not heard';
  if (!partner.healthy) return 'the partner is not healthy: no helper, no carrier, or given up';
  if (!partner.armed) return 'the partner is not armed';
  if (isNewer(owner.snapshot, partner.snapshot)) return 'the partner is not in sync';
  if (!owner.proven) return 'the session is not proven: the AC has not answered yet';
  return undefined;
}
