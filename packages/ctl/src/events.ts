/** `events`: prints the supervisor's log, and resumes where the stream broke off. */
import { setTimeout as wait } from 'node:timers/promises';
import type { EventJson } from '@ppp-thing/supervisor/api';
import { CtlError, EXIT, explain, open, parse, type Sockets } from './client.ts';
import type { Command, Context, Given } from './command.ts';

const RETRY_MS = 500;

/** One server-sent event (HTML Living Standard §9.2). */
export interface Sent {
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly data: string;
}

async function run({ flags }: Given, context: Context): Promise<number> {
  const follow = flags.has('follow');
  const show = flags.has('json') ? (data: unknown) => JSON.stringify(data) : shown;
  let lastId: string | undefined;
  let isAway = false;
  const tell = (sent: Sent): void => {
    lastId = sent.id ?? lastId;
    if (isAway) context.complain('the supervisor is back');
    isAway = false;
    context.print(show(parse(sent.data)));
  };
  for (;;) {
    try {
      for await (const sent of stream(context, follow, lastId)) tell(sent);
      if (!follow) return EXIT.ok;
    } catch (error) {
      const isFirst = lastId === undefined;
      if (!(error instanceof CtlError) || isFirst || error.exit !== EXIT.unavailable) throw error;
    }
    if (!isAway) context.complain('the supervisor is away; waiting for it');
    isAway = true;
    await wait(RETRY_MS, undefined, { signal: context.signal });
  }
}

/** Ends when the supervisor ends the stream; when following, also when the connection breaks. */
export async function* stream(
  sockets: Sockets,
  follow: boolean,
  lastId: string | undefined,
): AsyncGenerator<Sent> {
  const headers = lastId === undefined ? {} : { 'last-event-id': lastId };
  const path = follow ? '/v1/events' : '/v1/events?follow=no';
  const response = await open(sockets, 'GET', path, headers);
  // The next event may be days away.
  if (follow) response.setTimeout(0);
  response.setEncoding('utf8');
  const chunks = response[Symbol.asyncIterator]();
  let rest = '';
  for (;;) {
    const next = await chunks.next().catch((cause: Error) => {
      if (follow && cause.name !== 'AbortError') return { done: true as const };
      throw explain(sockets, 'GET', cause);
    });
    if (next.done === true) break;
    const blocks = (rest + String(next.value)).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) yield read(block);
  }
  if (response.statusCode === 200) return;
  throw new CtlError('too many clients follow the events already', EXIT.refused);
}

function read(block: string): Sent {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
  return { id: field('id'), name: field('event'), data: field('data') ?? '{}' };
}

function shown(data: unknown): string {
  if (isEvent(data)) return `${new Date(data.time).toISOString()} ${data.line}`;
  const missed = typeof data === 'object' && data !== null && 'missed' in data ? data.missed : '?';
  return `… ${String(missed)} older events are no longer kept`;
}

const isEvent = (data: unknown): data is EventJson =>
  typeof data === 'object' && data !== null && 'line' in data && 'time' in data;

export const events: Command = {
  takes: '[-f] [--json]',
  does: 'show past events; with -f, also new ones',
  flags: { follow: 'f', json: undefined },
  words: 0,
  run,
};
