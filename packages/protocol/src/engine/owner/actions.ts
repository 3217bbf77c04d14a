/** Builds the owner's actions from the facts of a session. Pure; it decides nothing. */
import { sameOctets } from '../../bytes.ts';
import type { MacAddress } from '../../wire/ethernet.ts';
import type { Action, SessionSettings } from '../events.ts';
import type { OwnerState } from './ownership.ts';
import { ipv4Of, type SessionFacts, type SessionKey } from '../../session.ts';

/** Actions that send a frame or datagram once. Every other action states how something must be, and is repeated. */
export const FRAMES: ReadonlySet<Action['kind']> = new Set([
  'send-discovery',
  'send-ppp',
  'send-dhcp6',
  'announce',
  'claim',
]);

/** @param autoOpen whether the helper may open the gate by itself on becoming MASTER, and forward from that moment */
export function attach(facts: SessionFacts, autoOpen: boolean): Action {
  const { key, maxPayload } = facts;
  const action = { kind: 'attach', key, maxPayload, autoOpen } as const;
  return autoOpen ? { ...action, settings: settingsOf(facts) } : action;
}

export const padt = (destination: MacAddress, sessionId: number): Action => ({
  kind: 'send-discovery',
  destination,
  packet: { code: 'PADT', sessionId, tags: [] },
});

/** @param up false on a standby, whose gate is closed */
export function configure(facts: SessionFacts, up: boolean): Action {
  return { kind: 'configure', settings: { ...settingsOf(facts), up } };
}

function settingsOf(facts: SessionFacts): SessionSettings {
  const { interfaceIds } = facts;
  const mtu = Math.min(facts.theirMru, facts.maxPayload);
  return { mtu, ...ipv4Of(facts), ...(interfaceIds && { interfaceIds }) };
}

/** Why this router ends the session with the AC in this state, for the log and the status. */
export const endingIn = (state: OwnerState): string =>
  ENDINGS[state] ?? 'disconnected by the operator';

const ENDINGS: Partial<Record<OwnerState, string>> = {
  Redialling: 'reconnect by the operator',
};

/**
 * Drop the repeats of one answer. A message to the partner contains everything, so the last one serves; of the announce
 * frames of one epoch the first serves, because an announce comes before the frames that follow from it.
 */
export function withoutRepeats(actions: readonly Action[]): readonly Action[] {
  let tells = 0;
  let announces = 0;
  for (const { kind } of actions)
    if (kind === 'tell-partner') tells += 1;
    else if (kind === 'announce') announces += 1;
  if (tells <= 1 && announces <= 1) return actions;
  let announced: number | undefined;
  return actions.filter((action) => {
    if (action.kind === 'tell-partner') return --tells === 0;
    if (action.kind !== 'announce') return true;
    const isRepeat = action.epoch === announced;
    announced = action.epoch;
    return !isRepeat;
  });
}

export function sameKey(a: SessionKey, b: SessionKey): boolean {
  return (
    a.sessionId === b.sessionId && sameOctets(a.acMac, b.acMac) && sameOctets(a.ourMac, b.ourMac)
  );
}
