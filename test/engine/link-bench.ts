/** What the tests of an open session say and read of it. */
import type { Event, Note } from '@ppp-thing/protocol/engine/events';
import type { LcpPacket } from '@ppp-thing/protocol/wire/ppp';
import { LinkPair, name } from './link-pair.ts';

export const NOTHING = new Uint8Array(0);
/** The lines of the log about `on`. */
export const said = (pair: LinkPair, on: string): Note[] =>
  pair.outputs.flatMap((output) =>
    output.kind === 'note' && output.note.on === on ? [output.note] : [],
  );

export const names = (pair: LinkPair): string[] => pair.sent.map(name);
export const fromAc = (packet: LcpPacket): Event => ({
  kind: 'ppp',
  packet: { protocol: 'LCP', packet },
});

export const echo = (identifier: number, magic: number, data = NOTHING): LcpPacket => ({
  code: 'Echo-Request',
  identifier,
  magic,
  data,
});
