/** What the operator can say, a function each. Reading goes to status.sock, acting to control.sock. */
import { randomBytes } from 'node:crypto';
import { VERBS, type EventJson, type StatusJson } from '@ppp-thing/supervisor/api';
import { ask, CtlError, EXIT, open } from './client.ts';
import { showStatus } from './show.ts';

export interface Context {
  /** Where status.sock and control.sock are. */
  readonly directory: string;
  readonly config: string;
  print(text: string): void;
}

interface Command {
  /** Arguments after the name, for the usage. */
  readonly takes: string;
  readonly does: string;
  run(args: readonly string[], context: Context): Promise<number>;
}

const HANDOFF_LIMIT_MS = 15_000;
const WATCH_MS = 1000;
const KEY_OCTETS = 32;

const statusOf = async ({ directory }: Context): Promise<StatusJson> =>
  JSON.parse(await ask(`${directory}/status.sock`, 'GET', '/v1/status')) as StatusJson;

/** The session that is meant: the one named, or the only one. */
async function sessionName(named: string | undefined, context: Context): Promise<string> {
  if (named !== undefined) return named;
  const { sessions } = await statusOf(context);
  const [only] = sessions;
  if (only !== undefined && sessions.length === 1) return only.name;
  const names = sessions.map(({ name }) => name).join(', ');
  throw new CtlError(`which session? one of ${names}`, EXIT.usage);
}

async function control(verb: string, name: string, { directory }: Context): Promise<void> {
  await ask(
    `${directory}/control.sock`,
    'POST',
    `/v1/sessions/${encodeURIComponent(name)}/${verb}`,
  );
}

async function status(args: readonly string[], context: Context): Promise<number> {
  const current = await statusOf(context);
  context.print(args.includes('--json') ? JSON.stringify(current, null, 2) : showStatus(current));
  return EXIT.ok;
}

async function watch(_args: readonly string[], context: Context): Promise<number> {
  const clear = process.stdout.isTTY ? '\u001b[H\u001b[2J' : '';
  for (;;) {
    context.print(`${clear}${showStatus(await statusOf(context))}`);
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
  }
}

async function events(args: readonly string[], context: Context): Promise<number> {
  const follow = args.includes('-f') ? '' : '?follow=no';
  const stream = await open(`${context.directory}/status.sock`, 'GET', `/v1/events${follow}`);
  stream.setEncoding('utf8');
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('data: ')) continue;
      const { time, line: text } = JSON.parse(line.slice('data: '.length)) as EventJson;
      context.print(`${new Date(time).toISOString()} ${text}`);
    }
  }
  return EXIT.ok;
}

/** With `--wait`, until the partner holds the session, or this router has undone the attempt. */
async function handoff(args: readonly string[], context: Context): Promise<number> {
  const name = await sessionName(
    args.find((each) => !each.startsWith('-')),
    context,
  );
  await control('handoff', name, context);
  if (!args.includes('--wait')) return EXIT.ok;
  const deadline = performance.now() + HANDOFF_LIMIT_MS;
  while (performance.now() < deadline) {
    const session = (await statusOf(context)).sessions.find((each) => each.name === name);
    if (session?.state === 'Standby' && session.holder === 'partner') {
      context.print(`${name}: the partner holds the session, epoch ${session.epoch}`);
      return EXIT.ok;
    }
    if (session?.state === 'Holding') break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new CtlError(`handoff ${name}: undone: CARP did not move the role`, EXIT.refused);
}

const verb =
  (word: (typeof VERBS)[number]) =>
  async (args: readonly string[], context: Context): Promise<number> => {
    await control(word, await sessionName(args[0], context), context);
    return EXIT.ok;
  };

async function log(args: readonly string[], { directory, print }: Context): Promise<number> {
  const [level] = args;
  if (level === undefined) throw new CtlError('log: which level?', EXIT.usage);
  await ask(`${directory}/control.sock`, 'POST', '/v1/log', level);
  print(`log level ${level}`);
  return EXIT.ok;
}

/** A line for the key file of both routers. */
async function keygen(args: readonly string[], { print }: Context): Promise<number> {
  const id = Number(args[0] ?? '1');
  if (!Number.isInteger(id) || id < 1 || id > 255) {
    throw new CtlError('keygen: a key is numbered 1 to 255', EXIT.usage);
  }
  print(`${id} ${randomBytes(KEY_OCTETS).toString('hex')}`);
  return EXIT.ok;
}

async function checkConfig(args: readonly string[], context: Context): Promise<number> {
  // Loaded when asked for: it is most of what there is to load.
  const { readConfig } = await import('@ppp-thing/supervisor/config');
  const file = args[0] ?? context.config;
  const { sessions } = readConfig(file);
  context.print(
    `${file}: good, ${sessions.length === 1 ? '1 session' : `${sessions.length} sessions`}`,
  );
  return EXIT.ok;
}

async function version(_args: readonly string[], context: Context): Promise<number> {
  const current = await statusOf(context);
  context.print(`supervisor ${current.version}, api ${current.api}`);
  return EXIT.ok;
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  status: { takes: '[--json]', does: 'who holds the session, and how it is', run: status },
  watch: { takes: '', does: 'the same, every second', run: watch },
  events: { takes: '[-f]', does: 'what happened; -f: and what happens', run: events },
  handoff: { takes: '[--wait] [SESSION]', does: 'give the session to the partner', run: handoff },
  connect: { takes: '[SESSION]', does: 'take the session, or dial', run: verb('connect') },
  disconnect: { takes: '[SESSION]', does: 'end the session with the AC', run: verb('disconnect') },
  reconnect: { takes: '[SESSION]', does: 'end it and dial anew', run: verb('reconnect') },
  log: { takes: 'LEVEL', does: 'error, warn, info, debug or trace', run: log },
  keygen: { takes: '[ID]', does: 'a line for the key file of both routers', run: keygen },
  'check-config': { takes: '[FILE]', does: 'every mistake in the configuration', run: checkConfig },
  version: { takes: '', does: 'of the running supervisor', run: version },
};
