/** What one session's engine is told once, at its start. */
import type { Millis } from '../time.ts';
import type { LinkConfig } from './link.ts';
import type { RouterId } from './session.ts';

export interface OwnershipConfig {
  /** Who decides: CARP; this router, always; or only the operator. */
  readonly policy: 'follow-carp' | 'pinned' | 'manual';
  /** This router's number in the pair, 1 … 0xffffffff. */
  readonly routerId: RouterId;
  /** Whether there is another router at all. */
  readonly hasPartner: boolean;
  /** Longest wait for the partner's snapshot at start. */
  readonly holdDown: Millis;
  /** Silence after which the partner counts as gone. */
  readonly partnerTimeout: Millis;
  /** A session that has been down this long while the partner is healthy is the partner's to try. */
  readonly downDemotion: Millis;
}

export interface SessionConfig {
  readonly name: string;
  readonly link: LinkConfig;
  readonly owner: OwnershipConfig;
}
