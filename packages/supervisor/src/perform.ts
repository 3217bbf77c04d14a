/** Performs one action of the engine: the exhaustive switch. It decides nothing and waits for nothing. */
import type { RequestBody, Verb } from '@ppp-thing/protocol/ipc/messages';
import type { Action, Event, Note, SessionSettings } from '@ppp-thing/protocol/engine/events';
import type { PartnerMessage, Snapshot } from '@ppp-thing/protocol/session';
import { encodeDhcp6 } from '@ppp-thing/protocol/wire/dhcpv6';
import { encodePpp } from '@ppp-thing/protocol/wire/ppp';
import { encodeDiscovery } from '@ppp-thing/protocol/wire/pppoe';
import { StoreError } from './store.ts';
import { unreachable } from '@ppp-thing/protocol/unreachable';

/** The outside world as a session can affect it. */
export interface Effects {
  readonly session: string;
  /** Durable when it returns undefined; otherwise the result says when. Throws StoreError. */
  store(snapshot: Snapshot): Storing | undefined;
  /** Send a request to the helper. A refusal arrives later as a `failed` event that names `action`. */
  ask<V extends Verb>(verb: V, body: RequestBody<V>, action: Action['kind']): void;
  /** Request the kernel's receive counters. A `counted` event arrives later, unless they are unavailable. */
  count(): void;
  tell(message: PartnerMessage): void;
  /** The proof for an announce frame. */
  proof(epoch: number): Uint8Array;
  /** Send to the DHCPv6 servers on the session's interface. */
  dhcp6(octets: Uint8Array): void;
  /** Publish the prefixes for the programs that advertise them. */
  delegated(action: Extract<Action, { kind: 'delegate' }>): void;
  note(note: Note): void;
}

/** A store in progress, shared with other sessions. `then` is called once, later. */
export interface Storing {
  readonly kind: 'storing';
  wait(then: (failed: Failed | undefined) => void): void;
}

export type Failed = Extract<Event, { kind: 'failed' }>;

/**
 * Perform `action`. Only a `store` can fail at once or take time. The caller must then perform no later action until it
 * has finished.
 */
export function perform(action: Action, effects: Effects): Failed | Storing | undefined {
  if (action.kind === 'store') return store(action.snapshot, effects);
  act(action, effects);
  return undefined;
}

function act(action: Exclude<Action, { kind: 'store' }>, effects: Effects): void {
  const { session } = effects;
  const { kind } = action;
  switch (kind) {
    case 'tell-partner':
      return effects.tell(action.message);
    case 'note':
      return effects.note(action.note);
    case 'send-discovery': {
      const { destination, packet } = action;
      const payload = encodeDiscovery(packet);
      return effects.ask('discovery-send', { session, destination, payload }, kind);
    }
    case 'send-ppp':
      return effects.ask('ppp-send', { session, ...encodePpp(action.packet) }, kind);
    case 'count':
      return effects.count();
    case 'attach': {
      const { maxPayload, autoOpen } = action;
      const { sessionId, acMac } = action.key;
      const key = { sessionId, acMac };
      const settings = action.settings ? settingsBody(action.settings) : null;
      return effects.ask('attach', { session, key, maxPayload, autoOpen, settings }, kind);
    }
    case 'configure': {
      const { up } = action.settings;
      return effects.ask('configure', { session, up, ...settingsBody(action.settings) }, kind);
    }
    case 'gate':
      return effects.ask('gate', { session, open: action.open }, kind);
    case 'route':
      return effects.ask('route', { session, via: action.via }, kind);
    case 'send-dhcp6':
      return effects.dhcp6(encodeDhcp6(action.message));
    case 'delegate': {
      const { addresses } = action;
      const prefixes = action.prefixes.map(({ exclude = null, ...each }) => ({ ...each, exclude }));
      effects.ask('delegate', { session, prefixes, addresses }, kind);
      return effects.delegated(action);
    }
    case 'announce': {
      const { epoch } = action;
      return effects.ask('announce', { session, epoch, proof: effects.proof(epoch) }, kind);
    }
    case 'demote':
      return effects.ask('demote', { session, on: action.on }, kind);
    case 'detach':
    case 'claim':
    case 'deconfigure':
      return effects.ask(kind, { session }, kind);
    default:
      return unreachable(kind);
  }
}

/** The helper's messages have null for an absent value. */
function settingsBody(settings: SessionSettings): Omit<RequestBody<'configure'>, 'session' | 'up'> {
  const { mtu, ourAddress = null, theirAddress = null, interfaceIds = null } = settings;
  return { mtu, ourAddress, theirAddress, interfaceIds };
}

function store(snapshot: Snapshot, effects: Effects): Failed | Storing | undefined {
  try {
    return effects.store(snapshot);
  } catch (error) {
    // Any other error, such as a falling epoch, is a bug of ours.
    if (!(error instanceof StoreError)) throw error;
    return notStored(error);
  }
}

export const notStored = ({ code, message }: StoreError): Failed => ({
  kind: 'failed',
  action: 'store',
  code,
  message,
});
