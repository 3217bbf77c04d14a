/**
 * Times the steps of the last takeover, from the edge of the role as the helper read it. It observes events and
 * actions, and decides nothing.
 */
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import type { Notice } from '@ppp-thing/protocol/ipc/messages';
import type { Instant } from '@ppp-thing/protocol/time';

/** In the usual order. */
export const PARTS = [
  'gate',
  'up',
  'route',
  'stored',
  'announced',
  'asked',
  'told',
  'answered',
] as const;
type Part = (typeof PARTS)[number];

/** Milliseconds from the edge; absent for a step not done. */
export type TakeoverParts = Readonly<Partial<Record<Part, number>>>;

export type Forwarded = Extract<Notice, { notice: 'forwarded' }>;

export class PartsOfTakeover {
  #edgeAt: number | undefined;
  #parts: Partial<Record<Part, number>> = {};

  /**
   * The helper has forwarded at an edge, and its notice arrived at `now`. The time between the processes is not
   * counted.
   */
  forwarded({ gate, up, route, told }: Forwarded, now: Instant): void {
    this.#edgeAt = now - told / 1000;
    this.#parts = { gate: gate / 1000, up: up / 1000, route: route / 1000 };
  }

  /** An action has been performed. */
  performed(action: Action, now: () => Instant): void {
    if (this.#edgeAt === undefined) return;
    if (action.kind === 'store') this.#mark('stored', now);
    else if (action.kind === 'announce') this.#mark('announced', now);
    else if (action.kind === 'tell-partner') this.#mark('told', now);
    else if (action.kind === 'send-ppp' && isEcho(action, 'Echo-Request')) this.#mark('asked', now);
  }

  heard(event: Event, now: () => Instant): void {
    if (this.#edgeAt === undefined || event.kind !== 'ppp') return;
    if (isEcho(event, 'Echo-Reply')) this.#mark('answered', now);
  }

  /** The steps of the takeover that began at `at`; undefined if the helper did not forward at its edge. */
  of(at: Instant): TakeoverParts | undefined {
    if (this.#edgeAt === undefined || Math.abs(at - this.#edgeAt) > SAME_EDGE_MS) return undefined;
    return this.#parts;
  }

  /** Record the first of its kind after the edge. */
  #mark(part: Part, now: () => Instant): void {
    if (this.#edgeAt !== undefined) this.#parts[part] ??= now() - this.#edgeAt;
  }
}

/** The engine takes the session within this time after the helper's notice of the edge. */
const SAME_EDGE_MS = 5000;

const isEcho = (
  { packet }: Extract<Event, { kind: 'ppp' }> | Extract<Action, { kind: 'send-ppp' }>,
  code: 'Echo-Request' | 'Echo-Reply',
): boolean => packet.protocol === 'LCP' && packet.packet.code === code;
