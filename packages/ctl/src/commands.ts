/** The operator's commands. Reading goes to status.sock, acting to control.sock. */
import { setTimeout as wait } from 'node:timers/promises';
import { VERSION } from '@ppp-thing/protocol/version';
import type { ControlVerb, SessionStatusJson, StatusJson } from '@ppp-thing/supervisor/api';
import { ask, CtlError, EXIT, statusOf } from './client.ts';
import type { Command, Context, Given } from './command.ts';
import { events } from './events.ts';
import { checkConfig, keygen } from './local.ts';
import { showStatus } from './show.ts';

const WATCH_MS = 1000;
const POLL_MS = 50;
/** The engine undoes a handoff well before this, if CARP does not move the role. */
const HANDOFF_LIMIT_MS = 15_000;

async function status({ flags, words }: Given, context: Context): Promise<number> {
  if (flags.has('check')) {
    // Imported on demand: other commands start faster.
    const { check } = await import('./check.ts');
    return check(words, context);
  }
  const current = await statusNaming(words, context);
  const isNamed = ({ name }: SessionStatusJson): boolean =>
    words.length === 0 || words.includes(name);
  context.print(
    flags.has('json')
      ? JSON.stringify({ ...current, sessions: current.sessions.filter(isNamed) }, null, 2)
      : showStatus(current, { colours: context.colours, names: words }),
  );
  return EXIT.ok;
}

/** The status. Throws CtlError if a named session is not in it. */
async function statusNaming(names: readonly string[], context: Context): Promise<StatusJson> {
  const current = await statusOf(context);
  for (const name of names) sessionOf(current.sessions, name);
  return current;
}

/** Redraws a terminal in place; otherwise prints one status after another. Continues while the supervisor is away. */
async function watch({ words }: Given, context: Context): Promise<number> {
  const screen = async (): Promise<string> => {
    try {
      const current = await statusNaming(words, context);
      return showStatus(current, { colours: context.colours, names: words });
    } catch (error) {
      if (error instanceof CtlError && error.exit === EXIT.unavailable) return error.message;
      throw error;
    }
  };
  if (context.isTerminal) context.control('\u001b[2J');
  for (;;) {
    const text = await screen();
    if (!context.isTerminal) context.print(`${text}\n`);
    else {
      // Cursor home, clear each line to its end, then the rest of the screen: clearing all at once would flicker.
      context.control('\u001b[H');
      context.print(text.replaceAll('\n', '\u001b[K\n').concat('\u001b[K'));
      context.control('\u001b[J');
    }
    await wait(WATCH_MS, undefined, { signal: context.signal });
  }
}

function sessionOf(sessions: readonly SessionStatusJson[], name: string): SessionStatusJson {
  const found = sessions.find((each) => each.name === name);
  if (found !== undefined) return found;
  const names = sessions.map((each) => each.name).join(', ');
  throw new CtlError(`no session ${name}; configured: ${names}`, EXIT.usage);
}

/** The named session, or the only one. */
async function nameOf({ words: [named] }: Given, context: Context): Promise<string> {
  if (named !== undefined) return named;
  const { sessions } = await statusOf(context);
  const [only] = sessions;
  if (only !== undefined && sessions.length === 1) return only.name;
  const names = sessions.map(({ name }) => name).join(', ');
  throw new CtlError(`which session? one of ${names}`, EXIT.usage);
}

const post = (verb: ControlVerb, name: string, context: Context): Promise<unknown> =>
  ask(context, 'POST', `/v1/sessions/${encodeURIComponent(name)}/${verb}`);

/** With `--wait`, returns once the partner holds the session, or this router has undone the attempt. */
async function handoff(given: Given, context: Context): Promise<number> {
  const name = await nameOf(given, context);
  const began = performance.now();
  await post('handoff', name, context);
  if (!given.flags.has('wait')) return EXIT.ok;
  while (performance.now() - began < HANDOFF_LIMIT_MS) {
    const { state, holder, epoch } = sessionOf((await statusOf(context)).sessions, name);
    if (state === 'Standby' && holder === 'partner') {
      const took = Math.round(performance.now() - began);
      context.print(`${name}: the partner holds the session, epoch ${epoch}, after ${took} ms`);
      return EXIT.ok;
    }
    if (state === 'Holding') {
      throw new CtlError(`handoff ${name}: undone: CARP did not move the role`, EXIT.refused);
    }
    await wait(POLL_MS, undefined, { signal: context.signal });
  }
  const limit = HANDOFF_LIMIT_MS / 1000;
  throw new CtlError(
    `handoff ${name}: the partner has not taken the session in ${limit} s`,
    EXIT.refused,
  );
}

const verb = (word: ControlVerb, does: string): Command => ({
  takes: '[SESSION]',
  does,
  words: 1,
  completes: 'session',
  async run(given, context) {
    await post(word, await nameOf(given, context), context);
    return EXIT.ok;
  },
});

async function log({ words: [level] }: Given, context: Context): Promise<number> {
  if (level === undefined) context.print((await statusOf(context)).logLevel);
  else await ask(context, 'POST', '/v1/log', level);
  return EXIT.ok;
}

async function version(_given: Given, context: Context): Promise<number> {
  context.print(`pppthingctl ${VERSION}`);
  const { version: theirs, api, helper } = await statusOf(context);
  context.print(`ppp_thing ${theirs}, api ${api}, helper ${helper.platform ?? 'away'}`);
  return EXIT.ok;
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  status: {
    takes: '[--json | --check] [SESSION ...]',
    does: 'show who holds the session, and its state',
    flags: { json: undefined, check: undefined },
    words: Infinity,
    completes: 'session',
    run: status,
  },
  watch: {
    takes: '[SESSION ...]',
    does: 'the same, every second',
    words: Infinity,
    completes: 'session',
    run: watch,
  },
  events,
  handoff: {
    takes: '[--wait] [SESSION]',
    does: 'give the session to the partner',
    flags: { wait: undefined },
    words: 1,
    completes: 'session',
    run: handoff,
  },
  connect: verb('connect', 'undo disconnect or handoff'),
  disconnect: verb('disconnect', 'end the session at the AC and stay down'),
  reconnect: verb('reconnect', 'end the session at the AC and dial again'),
  log: {
    takes: '[LEVEL]',
    does: 'show or set the level: error, warn, info, debug, trace',
    words: 1,
    completes: 'level',
    run: log,
  },
  web: {
    takes: '[--listen ADDRESS:PORT]',
    does: 'serve a status page for a browser',
    options: ['listen'],
    words: 0,
    async run(given, context) {
      // Imported on demand: other commands start faster.
      const { web } = await import('./web.ts');
      return web(given, context);
    },
  },
  doctor: {
    takes: '[--json] [FILE]',
    does: 'list the faults of this router, with remedies',
    flags: { json: undefined },
    words: 1,
    completes: 'file',
    async run(given, context) {
      // Imported on demand: other commands start faster.
      const { doctor } = await import('./doctor/doctor.ts');
      return doctor(given, context);
    },
  },
  keygen,
  'check-config': checkConfig,
  version: {
    takes: '',
    does: 'show the versions of this command and of the supervisor',
    words: 0,
    run: version,
  },
};
