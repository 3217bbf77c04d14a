/**
 * The helper's command on a given system: reads its arguments and the root-owned configuration, and runs `serve` until a
 * signal stops it. It decides nothing about sessions.
 */
import { setTimeout } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { parseArgs } from 'node:util';
import { gidOf, uidOf } from './accounts.ts';
import { BackendError } from './errors.ts';
import type { MakeBackend } from './backend.ts';
import { ConfigError } from '@ppp-thing/protocol/config-text';
import { pauses } from '@ppp-thing/protocol/guard';
import { ignoredSignals } from '@ppp-thing/protocol/ignored-signals';
import { lineOutput } from '@ppp-thing/protocol/line-output';
import { tooOld, VERSION } from '@ppp-thing/protocol/version';
import { SystemError, type Libc } from './libc.ts';
import { limitedLog } from './log.ts';
import { readPolicyFile } from './policy-file.ts';
import type { HelperPolicy } from './policy.ts';
import { serve, type ServeOptions, type Serving } from './serve.ts';
import { serviceManager, type ServiceManager } from './service-manager.ts';

const EX_USAGE = 64;
const EX_UNAVAILABLE = 69;
const EX_CONFIG = 78;

const USAGE = `usage: ppp_thing_helper [--config FILE] [--check | --remove]
       ppp_thing_helper --version | --help

  --config FILE  the configuration, TOML or the eight lines of ppp_thing
  --check        read the configuration, list its errors, and exit
  --remove       take down everything a helper left in the kernel, without ending the session, and exit
`;

const CONFIG_FILE = {
  linux: '/etc/ppp_thing.conf',
  freebsd: '/usr/local/etc/ppp_thing.conf',
} as const;

/** Imported on demand, so that the other system's backend is never loaded. */
const BACKENDS: Readonly<Record<Libc['platform'], () => Promise<MakeBackend>>> = {
  async freebsd() {
    const { FreebsdBackend } = await import('./freebsd/backend.ts');
    return (context) => new FreebsdBackend(context);
  },
  async linux() {
    const { LinuxBackend } = await import('./linux/backend.ts');
    return (context) => new LinuxBackend(context);
  },
};

const log = limitedLog(
  lineOutput(process.stdout, (lines) => log(`${lines} log lines are lost: nothing read them`)),
  () => performance.now(),
  // systemd sets it for a service whose output is the journal's (systemd.exec(5)).
  process.env['JOURNAL_STREAM'] !== undefined,
);

interface Arguments {
  readonly config: string;
  readonly mode: 'serve' | 'check' | 'remove' | 'version' | 'help';
}

/** The command line is wrong. */
class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Throws UsageError for unknown arguments. */
function readArguments(platform: Libc['platform']): Arguments {
  const values = parseOptions();
  const { config = CONFIG_FILE[platform] } = values;
  const mode = (['help', 'version', 'check', 'remove'] as const).find((each) => values[each]);
  return { config, mode: mode ?? 'serve' };
}

function parseOptions() {
  try {
    const { values } = parseArgs({
      options: {
        config: { type: 'string' },
        check: { type: 'boolean' },
        remove: { type: 'boolean' },
        version: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    return values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : 'bad arguments', { cause });
  }
}

/** The uid and gid that may connect. A helper run by root needs both; any other serves its own user. */
function admitted(policy: HelperPolicy, file: string): Pick<ServeOptions, 'uid' | 'gid'> {
  const uid = uidOf(policy.user);
  const own = process.getuid?.() ?? 0;
  if (own !== 0) return { uid: uid ?? own };
  const gid = gidOf(policy.group);
  const missing = [
    ...(uid === undefined ? [`helper.user: no user ${policy.user} on this system`] : []),
    ...(gid === undefined ? [`helper.group: no group ${policy.group} on this system`] : []),
  ];
  if (uid === undefined || gid === undefined)
    throw new ConfigError(
      file,
      missing.map((message) => ({ line: undefined, message })),
    );
  return { uid, gid };
}

/** What the command runs on: this machine, or a kernel of the lab's. */
export interface Machine {
  loadLibc(): Promise<Libc>;
  /** As `ServeOptions` has it. */
  uptime?(libc: Libc): number;
}

async function run({ loadLibc, uptime }: Machine): Promise<number> {
  const refusal = tooOld(process.versions.node);
  if (refusal !== undefined) {
    log(refusal);
    return EX_UNAVAILABLE;
  }
  const libc = await loadLibc();
  const { platform } = libc;
  const { config, mode } = readArguments(platform);
  if (mode === 'help') process.stdout.write(USAGE);
  if (mode === 'version') process.stdout.write(`ppp_thing_helper ${VERSION}\n`);
  if (mode === 'help' || mode === 'version') return 0;

  const uid = process.getuid?.() ?? 0;
  const read = (): HelperPolicy => readPolicyFile(config, { platform, uid });
  if (mode === 'check') {
    const policy = read();
    admitted(policy, config);
    log(`check ${config}: ${policy.sessions.map(({ name }) => name).join(', ')}`, 'info');
    return 0;
  }
  const makeBackend = await BACKENDS[platform]();
  const removing = mode === 'remove';
  const alive = removing ? undefined : serviceManager(libc, log);
  let socketPath = '';
  const start = (): Serving => {
    const policy = read();
    ({ socketPath } = policy);
    return serve({
      libc,
      policy,
      makeBackend,
      ...admitted(policy, config),
      log,
      removing,
      ...(alive && { alive, keeper: alive.keeper }),
      ...(uptime && { uptime: () => uptime(libc) }),
    });
  };
  const serving = alive === undefined ? start() : await untilStarted(start, libc, alive);
  if (removing) serving.stop('remove');
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => serving.stop());
  alive?.ready();
  log(`serve ${socketPath}: backend ${platform}, pid ${process.pid}`, 'info');
  await serving.stopped;
  return 0;
}

/**
 * A service that exits is started again at once, fails again, and logs the failure each time. So the helper waits here: for
 * another helper to end, for the kernel, or for the operator to mend the file. A helper started from a terminal exits.
 */
async function untilStarted(
  start: () => Serving,
  libc: Libc,
  alive: ServiceManager,
): Promise<Serving> {
  let said: string | undefined;
  const pause = pauses();
  for (;;) {
    try {
      return start();
    } catch (error) {
      const failure = failureOf(error);
      // systemd does not restart a helper that exited with 78; daemon(8) restarts every program.
      const mayPass = failure?.code !== EX_CONFIG || libc.platform === 'freebsd';
      if (failure === undefined || !mayPass || isatty(0)) throw error;
      // Nothing watches the role: without a descriptor the kernel ends a session that was left.
      for (const fd of [...(alive.keeper?.found.values() ?? [])].flat()) libc.close(fd);
      alive.keeper?.found.clear();
      if (said === undefined) alive.ready();
      const text = failure.lines.join('\n');
      if (text !== said) for (const line of failure.lines) log(`${line}: trying again`);
      said = text;
    }
    alive.beat();
    await setTimeout(pause.next().value);
  }
}

/** The log lines and the exit code of a failure; undefined for a fault of our own. */
function failureOf(
  error: unknown,
): { readonly lines: readonly string[]; readonly code: number } | undefined {
  if (error instanceof ConfigError) return { lines: error.message.split('\n'), code: EX_CONFIG };
  if (error instanceof BackendError || error instanceof SystemError)
    return { lines: [error.message], code: 1 };
  if (error instanceof Error && 'syscall' in error && 'path' in error && 'code' in error) {
    // Node's message: `ENOENT: no such file or directory, open '/usr/local/etc/ppp_thing.conf'`.
    const reason = error.message.replace(/^\w+: /, '').replace(/, \w+(?: '.*')?$/, '');
    const line = `${String(error.syscall)} ${String(error.path)}: ${String(error.code)}: ${reason}`;
    return { lines: [line], code: EX_CONFIG };
  }
  return undefined;
}

/** Leaves our own faults to the runtime: it prints a trace, and the service manager restarts the helper. */
function report(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n${USAGE}`);
    return EX_USAGE;
  }
  const failure = failureOf(error);
  if (failure === undefined) throw error;
  for (const line of failure.lines) log(line);
  return failure.code;
}

/** Run to the end; the exit code. Called once, by a program that does nothing else. */
export async function command(machine: Machine): Promise<number> {
  for (const signal of ignoredSignals(process.versions)) process.on(signal, () => {});
  return run(machine).catch(report);
}
