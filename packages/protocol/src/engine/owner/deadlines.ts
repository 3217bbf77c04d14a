/** What each of the owner's deadlines means when it comes. It sets none but those that follow from one that came. */
import { after, millis, seconds, type Instant } from '../../time.ts';
import {
  ANNOUNCE_INTERVAL,
  SEEN_SPAN,
  WATCHDOG_SPAN,
  type Owner,
  type TimerName,
} from './owner.ts';

/** Silence after which a demotion in the partner's favour has lost its point. */
const UNHEARD_SPAN = seconds(60);
/** A partner that knows it is not heard has announced itself by then. */
const ANNOUNCED_SPAN = millis(ANNOUNCE_INTERVAL + 1000);

/** @param ready leaves Waiting */
export function expire(owner: Owner, name: TimerName, now: Instant, ready: () => void): void {
  switch (name) {
    case 'hold-down':
      return owner.helper === undefined ? undefined : ready();
    case 'tell':
      return owner.tell(now);
    case 'partner':
      return partnerSilent(owner, now);
    case 'unheard':
      // What we gave the partner it no longer confirms.
      return owner.emit(...owner.demotion.drop('handoff'), ...owner.demotion.drop('watchdog'));
    case 'handoff':
      return owner.step('Undo', 'handoff not carried out in time', now);
    case 'down':
      return owner.giveUp('session down', now);
    case 'watchdog':
      return watchdogOver(owner, now);
    case 'retry':
      if (!owner.unsaved) return owner.insist(now);
      owner.unsaved = false;
      return owner.restate(now);
    case 'announce':
      return owner.claims() ? owner.announce(now) : undefined;
    case 'contest':
      return owner.claims() ? owner.take(now) : undefined;
    case 'unseen':
      if (owner.partner.fresh(now) === undefined) owner.step('Freed', 'partner not seen', now);
      return undefined;
    default: {
      const unreachable: never = name;
      return unreachable;
    }
  }
}

/**
 * A demotion in its favour stays for a while: a supervisor that is being restarted is silent too, and taking a demotion
 * back would move the session; a router that is dead CARP sees by itself.
 */
function partnerSilent(owner: Owner, now: Instant): void {
  owner.note('warn', 'partner silent', [], {});
  owner.timers.set('unheard', after(now, UNHEARD_SPAN));
  if (!owner.partner.seenWithin(SEEN_SPAN, now)) freed(owner, 'partner silent', now);
  if (owner.claims()) owner.announce(now);
}

/** Without a session to take we would dial, and the one it may just have made it can tell us only on the line. */
function freed(owner: Owner, cause: string, now: Instant): void {
  if (owner.snapshot.facts !== null) owner.step('Freed', cause, now);
  else owner.timers.set('unseen', after(now, ANNOUNCED_SPAN));
}

/** Time to try again on this line, unless there is plainly none. */
function watchdogOver(owner: Owner, now: Instant): void {
  if (owner.helper?.carrier === true) owner.emit(...owner.demotion.drop('watchdog'));
  else if (owner.demotion.has('watchdog')) owner.timers.set('watchdog', after(now, WATCHDOG_SPAN));
}
