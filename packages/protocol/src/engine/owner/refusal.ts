/** Why the operator's verb would be refused now. It changes nothing. */
import type { Instant } from '../../time.ts';
import type { AdminVerb } from '../events.ts';
import { stepOwner } from './ownership.ts';
import type { Standing } from './standing.ts';
import { isNewer } from '../../session.ts';

const EVENTS = {
  handoff: 'Handoff',
  connect: 'Connect',
  disconnect: 'Disconnect',
  reconnect: 'Reconnect',
} as const;

/** As a sentence; undefined if it would be obeyed. */
export function refusal(standing: Standing, verb: AdminVerb, now: Instant): string | undefined {
  if (stepOwner(standing.state, EVENTS[verb]) === undefined)
    return `${verb} is not possible in state ${standing.state}`;
  if (standing.helper === undefined) return 'the helper is away';
  return verb === 'handoff' ? handoffRefusal(standing, now) : undefined;
}

/** Rule R12. */
function handoffRefusal(standing: Standing, now: Instant): string | undefined {
  const { policy, hasPartner } = standing.config;
  const partner = standing.partner.fresh(now);
  if (policy === 'pinned') return 'the policy is pinned: this router always holds the session';
  if (!hasPartner) return 'no partner is configured';
  if (partner === undefined) return 'the partner is not heard';
  if (!partner.healthy) return 'the partner is not healthy: no helper, no carrier, or given up';
  if (!partner.armed) return 'the partner is not armed';
  if (isNewer(standing.snapshot, partner.snapshot)) return 'the partner is not in sync';
  if (!standing.isProven) return 'the session is not proven: the AC has not answered yet';
  return undefined;
}
