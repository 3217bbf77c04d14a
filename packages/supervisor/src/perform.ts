/** One action of the engine, one effect in the world: the exhaustive switch. It decides nothing and waits for nothing. */
import type { RequestBody, Verb } from '@ppp-thing/protocol/ipc/messages';
import type { Action, Event, Note, SessionSettings } from '@ppp-thing/protocol/engine/events';
import type { PartnerMessage, Snapshot } from '@ppp-thing/protocol/session';
import { encodeDhcp6 } from '@ppp-thing/protocol/wire/dhcpv6';
import { encodePpp } from '@ppp-thing/protocol/wire/ppp';
import { encodeDiscovery } from '@ppp-thing/protocol/wire/pppoe';
import { StoreError } from './store.ts';

/** What a session can do to the world. */
export interface Effects {
  readonly session: string;
  /** Durable when it returns, unless it returns what to wait for; throws StoreError. */
  store(snapshot: Snapshot): Storing | undefined;
  /** Ask the helper. A refusal comes back later, as a `failed` event that names `action`. */
  ask<V extends Verb>(verb: V, body: RequestBody<V>, action: Action['kind']): void;
  /** Ask the kernel what it has received; a `counted` event comes later, if it can say. */
  count(): void;
  tell(message: PartnerMessage): void;
  /** What makes the partner believe an announce frame. */
  proof(epoch: number): Uint8Array;
  /** To the DHCPv6 servers on the session's interface. */
  dhcp6(octets: Uint8Array): void;
  /** For the programs that advertise prefixes. */
  delegated(action: Extract<Action, { kind: 'delegate' }>): void;
  note(note: Note): void;
}

/** Something is being stored with what other sessions store. `then` is called once, later. */
export interface Storing {
  readonly kind: 'storing';
  wait(then: (failed: Failed | undefined) => void): void;
}

export type Failed = Extract<Event, { kind: 'failed' }>;

/**
 * Perform `action`. Only a `store` can fail at once, or take its time; nothing that comes after it may be performed then,
 * or before.
 */
export function perform(action: Action, effects: Effects): Failed | Storing | undefined {
  const { session } = effects;
  const { kind } = action;
  switch (kind) {
    case 'store':
      return store(action.snapshot, effects);
    case 'tell-partner':
      effects.tell(action.message);
      return undefined;
    case 'note':
      effects.note(action.note);
      return undefined;
    case 'send-discovery': {
      const { destination, packet } = action;
      effects.ask(
        'discovery-send',
        { session, destination, payload: encodeDiscovery(packet) },
        kind,
      );
      return undefined;
    }
    case 'send-ppp':
      effects.ask('ppp-send', { session, ...encodePpp(action.packet) }, kind);
      return undefined;
    case 'count':
      effects.count();
      return undefined;
    case 'attach': {
      const { maxPayload, autoOpen } = action;
      const { sessionId, acMac } = action.key;
      const key = { sessionId, acMac };
      const settings = action.settings ? settingsBody(action.settings) : null;
      effects.ask('attach', { session, key, maxPayload, autoOpen, settings }, kind);
      return undefined;
    }
    case 'configure': {
      const { up } = action.settings;
      effects.ask('configure', { session, up, ...settingsBody(action.settings) }, kind);
      return undefined;
    }
    case 'gate':
      effects.ask('gate', { session, open: action.open }, kind);
      return undefined;
    case 'route':
      effects.ask('route', { session, via: action.via }, kind);
      return undefined;
    case 'send-dhcp6':
      effects.dhcp6(encodeDhcp6(action.message));
      return undefined;
    case 'delegate': {
      const { addresses } = action;
      const prefixes = action.prefixes.map(({ exclude = null, ...each }) => ({ ...each, exclude }));
      effects.ask('delegate', { session, prefixes, addresses }, kind);
      effects.delegated(action);
      return undefined;
    }
    case 'announce':
      effects.ask(
        'announce',
        { session, epoch: action.epoch, proof: effects.proof(action.epoch) },
        kind,
      );
      return undefined;
    case 'demote':
      effects.ask('demote', { session, on: action.on }, kind);
      return undefined;
    case 'detach':
    case 'claim':
    case 'deconfigure':
      effects.ask(kind, { session }, kind);
      return undefined;
    default: {
      const unreachable: never = kind;
      return unreachable;
    }
  }
}

/** What is absent is null in the helper's vocabulary. */
function settingsBody(settings: SessionSettings): Omit<RequestBody<'configure'>, 'session' | 'up'> {
  const { mtu, ourAddress = null, theirAddress = null, interfaceIds = null } = settings;
  return { mtu, ourAddress, theirAddress, interfaceIds };
}

function store(snapshot: Snapshot, effects: Effects): Failed | Storing | undefined {
  try {
    return effects.store(snapshot);
  } catch (error) {
    // Anything else, such as an epoch that falls, is our own mistake.
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
