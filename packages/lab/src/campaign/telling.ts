/** How an engine's answer reads in a transcript. It decides nothing. */
import type { Action, Event } from '@ppp-thing/protocol/engine/events';

/** `event => state [actions]`; undefined for what is only the passing of time. */
export function answerLine(
  event: Event,
  state: string,
  actions: readonly Action[],
): string | undefined {
  const shown = actions.flatMap((action) => {
    if (action.kind === 'note') return [];
    if (action.kind === 'send-ppp' || action.kind === 'send-discovery') {
      const { packet } = action;
      const inner = 'packet' in packet ? packet.packet : packet;
      return [
        `${'protocol' in packet ? packet.protocol : ''} ${'code' in inner ? inner.code : ''}`.trim(),
      ];
    }
    if (action.kind === 'gate') return [`gate ${action.open}`];
    if (action.kind === 'demote') return [`demote ${action.on}`];
    if (action.kind === 'store')
      return [`store ${action.snapshot.epoch}.${action.snapshot.generation}`];
    return action.kind === 'tell-partner' ? [] : [action.kind];
  });
  if (event.kind === 'partner' && shown.length === 0) return undefined;
  if (event.kind === 'deadline' && shown.length === 0) return undefined;
  return `${eventName(event)} => ${state} [${shown.join(', ')}]`;
}

function eventName(event: Event): string {
  if (event.kind === 'role') return `role ${event.role}`;
  if (event.kind === 'admin') return `operator ${event.verb}`;
  if (event.kind === 'partner') {
    const { role, open, snapshot } = event.message;
    return `partner ${role} open=${open} epoch=${snapshot.epoch}.${snapshot.generation}`;
  }
  if (event.kind === 'ppp') {
    const { packet } = event;
    return packet.protocol === 'unknown' ? 'ppp' : `${packet.protocol} ${packet.packet.code}`;
  }
  if (event.kind === 'discovery') return event.packet.code;
  if (event.kind === 'failed') return `failed ${event.action} ${event.code}`;
  return event.kind;
}
