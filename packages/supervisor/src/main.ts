/**
 * The supervisor's command: the composition root; read it first. It starts the parts in the order that privileges and
 * durability require, and decides nothing itself.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ConfigError } from '@ppp-thing/protocol/config-text';
import { ignoredSignals } from '@ppp-thing/protocol/ignored-signals';
import { lineOutput } from '@ppp-thing/protocol/line-output';
import type { PartnerMessage, Snapshot } from '@ppp-thing/protocol/session';
import { tooOld, VERSION } from '@ppp-thing/protocol/version';
import { now, random, wallClock } from './clock.ts';
import { readConfig, type Config } from './config.ts';
import { openDhcp6 } from './dhcp6-socket.ts';
import { AnotherRunsError, codeOf, UnreadableError } from './errors.ts';
import { keepHeapSmall } from './heap.ts';
import { hold } from './hold.ts';
import { closeInherited } from './inherited.ts';
import { readKeys, type Keys } from './keys.ts';
import { LegacyPartner } from './legacy-partner.ts';
import { parseLegacyState } from './legacy-state.ts';
import { Log, type LogStyle } from './log.ts';
import { Partner } from './partner.ts';
import type { PartnerChannel } from './partner-channel.ts';
import { places } from './places.ts';
import { giveUpRoot, PrivilegeError } from './privileges.ts';
import { Running } from './running.ts';
import { serving } from './service-manager.ts';
import { startStatusServers } from './status-server.ts';
import { JOURNAL_FROM, Store, StoreError } from './store.ts';
import { untilMended, waitedForAnother } from './until-mended.ts';

/** sysexits(3). */
const EX_USAGE = 64;
const EX_NOUSER = 67;
const EX_UNAVAILABLE = 69;
const EX_IOERR = 74;
const EX_CONFIG = 78;

const USAGE = `usage: ppp_thing [--config FILE] [--timestamps] [--check]
       ppp_thing --version | --help

  --config FILE  the configuration, TOML or the eight lines of ppp_thing
  --timestamps   begin each line of the log with the time
  --check        read the configuration, list its errors, and exit

It stays in the foreground and logs to standard output. Started as root, it binds its ports and then changes permanently
to the user in the configuration. SIGTERM ends it and leaves the session up; SIGHUP reads log_level, hooks and keys again.
`;

interface Arguments {
  readonly config: string;
  readonly mode: 'run' | 'check' | 'version' | 'help';
  readonly style: LogStyle;
}

/** Throws TypeError for unknown arguments. */
function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      config: { type: 'string', default: places().config },
      timestamps: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const mode = (['help', 'version', 'check'] as const).find((each) => values[each]) ?? 'run';
  // systemd sets it for a service that logs to the journal (systemd.exec(5)).
  const isJournal = process.env['JOURNAL_STREAM'] !== undefined;
  const style = values.timestamps ? 'timestamps' : isJournal ? 'journal' : 'plain';
  return { config: values.config, mode, style };
}

async function main(): Promise<void> {
  closeInherited();
  keepHeapSmall();
  const refusal = tooOld(process.versions.node);
  if (refusal !== undefined) {
    process.stderr.write(`ppp_thing: ${refusal}\n`);
    process.exitCode = EX_UNAVAILABLE;
    return;
  }
  const { config: file, mode, style } = readArguments();
  if (mode === 'help') return print(USAGE);
  if (mode === 'version') return print(`ppp_thing ${VERSION}\n`);

  const read = () => {
    const config = readConfig(file);
    return { config, keys: readAllKeys(config) };
  };
  // systemd does not restart a program that exited with 78; daemon(8) restarts every program.
  const mayWait = mode === 'run' && process.platform === 'freebsd';
  const { config, keys } = mayWait
    ? await untilMended(read, printProblem, (error) => problemsOf(error) !== undefined)
    : read();
  if (mode === 'check') {
    return print(
      `check ${file}: ok: ${config.sessions.map(({ engine }) => engine.name).join(', ')}\n`,
    );
  }
  const lost = (lines: number): void =>
    log.line('warn', `${lines} log lines are lost: nothing read them`);
  // The lines of an event are written after its frames: an AC waits for those.
  let flushLog = (): void => undefined;
  const later = (flush: () => void): void => {
    flushLog = flush;
    setImmediate(flush);
  };
  process.on('exit', () => flushLog());
  const log = new Log(config.logLevel, lineOutput(process.stdout, lost, later), now, style);
  log.line('info', `ppp_thing ${VERSION}: ${file}, pid ${process.pid}`);

  const logError = (line: string): void => log.line('error', line);
  // The files may have changed meanwhile.
  if (await waitedForAnother(config.stateDirectory, logError)) return main();

  // Still as root, if we are: for ports below 1024, and because root may own the original's file.
  const inherited = readLegacyState(config, log);
  const running: { now?: Running } = {};
  const heard = (session: string, message: PartnerMessage): void =>
    running.now?.hear(session, message);
  const partner = await openPartner(config, keys, log, heard);
  const dhcp6 = config.sessions.some(({ engine }) => engine.dhcp6 !== undefined)
    ? await openDhcp6({ log, heard: (name, octets) => running.now?.heardDhcp6(name, octets) })
    : undefined;
  const identity = giveUpRoot(config.user, config.group);
  if (identity !== undefined) log.line('info', `privileges: ${identity}`);

  const isJournal = config.sessions.length >= JOURNAL_FROM;
  const isOfStore = (error: unknown): boolean => error instanceof StoreError;
  const stored = <T>(act: () => T): Promise<T> => untilMended(act, logError, isOfStore);
  const store = await stored(() => new Store(config.stateDirectory, log, undefined, isJournal));
  await holdState(config.stateDirectory, log);
  const parts = { config, version: VERSION, log, store, partner, dhcp6, inherited };
  const supervisor = await stored(() => new Running(parts));
  running.now = supervisor;
  // Another supervisor may have the same run directory, and another state directory.
  const serve = () => startStatusServers(supervisor, config.runDirectory, logError);
  await untilMended(serve, logError, (error) => error instanceof AnotherRunsError);
  supervisor.start();
  serving(logError);

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      // Send nothing, so that a restart or an upgrade does not end the session (R3).
      log.line('info', `${signal}: the session stays up`);
      supervisor.stop();
      process.exit(0);
    });
  }
  process.on('SIGHUP', () => reload(config, log, supervisor, partner));
}

/** Before reading the store and before connecting to the helper: two supervisors must not share either. */
async function holdState(directory: string, log: Log): Promise<void> {
  try {
    await hold(directory);
  } catch (error) {
    if (error instanceof AnotherRunsError) throw error;
    // The disk takes no file, or has no sockets. Go on: the session matters more than a second supervisor that nobody
    // starts.
    log.line(
      'error',
      `hold ${directory}: ${codeOf(error)}: a second supervisor would not be noticed`,
    );
  }
}

const print = (text: string): void => void process.stdout.write(text);
const printProblem = (line: string): void => void process.stderr.write(`ppp_thing: ${line}\n`);

/** Undefined without a partner, or without a key_file; the channel is then off. */
function readAllKeys({ partner }: Config): Keys | undefined {
  if (partner?.protocol !== 'ppp-thing' || partner.keyFile === undefined) return undefined;
  return readKeys(partner.keyFile, partner.activeKey);
}

async function openPartner(
  { partner, sessions }: Config,
  keys: Keys | undefined,
  log: Log,
  heard: (session: string, message: PartnerMessage) => void,
): Promise<PartnerChannel | undefined> {
  const [first] = sessions;
  if (partner === undefined || first === undefined) return undefined;
  if (partner.protocol === 'ppp_thing') {
    const { name, link } = first.engine;
    const session = { name, ourMac: link.ourMac };
    return LegacyPartner.open({ ...partner, session, log, wallClock, heard });
  }
  const conversations = sessions.map((settings) => ({
    name: settings.engine.name,
    timeout: settings.engine.owner.partnerTimeout,
    settings,
  }));
  return Partner.open({
    ...partner,
    keys,
    sessions: conversations,
    log,
    random,
    now,
    wallClock,
    heard,
  });
}

/** The session of the original, which ran here before the upgrade. A stored snapshot outranks it. */
function readLegacyState({ sessions }: Config, log: Log): Snapshot | undefined {
  const [first, ...others] = sessions;
  const path = places().legacyState;
  if (first === undefined || others.length > 0) return undefined;
  try {
    const text = readFileSync(path, 'utf8');
    const inherited = parseLegacyState(text, first.engine.link.ourMac, wallClock() / 1000);
    if (inherited !== undefined) log.line('debug', `read ${path}: a session of ppp_thing`);
    return inherited;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') log.line('warn', `read ${path}: ${codeOf(error)}`);
    return undefined;
  }
}

/** SIGHUP. If the file has mistakes, log them and keep the current configuration. */
function reload(
  before: Config,
  log: Log,
  supervisor: Running,
  partner: PartnerChannel | undefined,
): void {
  try {
    const config = readConfig(before.file);
    const keys = readAllKeys(config);
    log.level = config.logLevel;
    supervisor.setHooks(config.hooks);
    if (keys !== undefined && partner instanceof Partner) partner.setKeys(keys);
    const loaded =
      keys === undefined ? '' : ` and ${keys.byId.size} keys, sending with ${keys.active}`;
    log.line('info', `SIGHUP: log level ${log.level}, hooks${loaded}; the rest needs a restart`);
  } catch (error) {
    const lines = problemsOf(error);
    if (lines === undefined) throw error;
    for (const line of lines) log.line('error', `SIGHUP: ${line}`);
  }
}

/** Problems that the operator can fix, a line each; undefined for bugs of ours. */
function problemsOf(error: unknown): readonly string[] | undefined {
  if (error instanceof ConfigError) return error.message.split('\n');
  if (error instanceof UnreadableError) return [error.message];
  return undefined;
}

/** For a bug of ours, rethrow: the runtime prints a trace, and the service manager restarts us. */
function report(error: unknown): number {
  const problems = problemsOf(error);
  if (problems !== undefined) {
    for (const line of problems) printProblem(line);
    return EX_CONFIG;
  }
  if (error instanceof TypeError && codeOf(error).startsWith('ERR_PARSE_ARGS')) {
    process.stderr.write(`${error.message}\n${USAGE}`);
    return EX_USAGE;
  }
  const known = EXITS.find(([kind]) => error instanceof kind);
  if (known === undefined || !(error instanceof Error)) throw error;
  printProblem(error.message);
  return known[1];
}

const EXITS = [
  [PrivilegeError, EX_NOUSER],
  [StoreError, EX_IOERR],
  [AnotherRunsError, EX_UNAVAILABLE],
] as const;

// SIGHUP too, during start-up: the configuration was read moments ago.
for (const signal of ignoredSignals(process.versions)) process.on(signal, () => undefined);
await main().catch((error: unknown) => {
  process.exit(report(error));
});
