/**
 * The helper's command: reads its arguments and the root-owned configuration, and runs `serve` until it is told to
 * stop. Everything else is elsewhere.
 */
import { parseArgs } from 'node:util';
import { gidOf, uidOf } from './accounts.ts';
import { BackendError } from './errors.ts';
import type { MakeBackend } from './backend.ts';
import { ConfigError } from '@ppp-thing/protocol/config-text';
import { lineOutput } from '@ppp-thing/protocol/line-output';
import { tooOld, VERSION } from '@ppp-thing/protocol/version';
import { SystemError, loadLibc } from './libc.ts';
import { limitedLog } from './log.ts';
import { readPolicyFile } from './policy-file.ts';
import type { HelperPolicy } from './policy.ts';
import { serve, type ServeOptions } from './serve.ts';
import { serviceManager } from './service-manager.ts';

const EX_USAGE = 64;
const EX_UNAVAILABLE = 69;
const EX_CONFIG = 78;

const USAGE = `usage: ppp_thing_helper [--config FILE] [--backend freebsd|linux|sim] [--check | --remove]
       ppp_thing_helper --version | --help

  --config FILE  the configuration, TOML or the eight lines of ppp_thing
  --backend B    whose kernel to use; this system's unless given
  --check        read the configuration, say what is wrong with it, and exit
  --remove       take down everything a helper left in the kernel, without ending the session, and exit
`;

const CONFIG_FILE = {
  linux: '/etc/ppp_thing.conf',
  freebsd: '/usr/local/etc/ppp_thing.conf',
} as const;

type BackendName = 'freebsd' | 'linux' | 'sim';

const isBackendName = (name: string): name is BackendName =>
  name === 'freebsd' || name === 'linux' || name === 'sim';

/** Loaded when asked for: a backend of another system costs nothing. */
const BACKENDS: Readonly<Record<BackendName, () => Promise<MakeBackend>>> = {
  async freebsd() {
    const { FreebsdBackend } = await import('./freebsd/backend.ts');
    return (context) => new FreebsdBackend(context);
  },
  async linux() {
    const { LinuxBackend } = await import('./linux/backend.ts');
    return (context) => new LinuxBackend(context);
  },
  async sim() {
    const { SimBackend } = await import('./sim/backend.ts');
    return (context) => new SimBackend(context);
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
  readonly backend: BackendName;
  readonly mode: 'serve' | 'check' | 'remove' | 'version' | 'help';
}

/** The arguments are not ours. */
class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Throws UsageError for arguments that are not ours. */
function readArguments(platform: 'linux' | 'freebsd'): Arguments {
  const values = parseOptions();
  const { config = CONFIG_FILE[platform], backend = platform } = values;
  if (!isBackendName(backend)) throw new UsageError(`no backend '${backend}'`);
  if (backend !== 'sim' && backend !== platform)
    throw new UsageError(`backend '${backend}' does not run on ${platform}`);
  const mode = (['help', 'version', 'check', 'remove'] as const).find((each) => values[each]);
  return { config, backend, mode: mode ?? 'serve' };
}

function parseOptions() {
  try {
    const { values } = parseArgs({
      options: {
        config: { type: 'string' },
        backend: { type: 'string' },
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

/** The numbers of the user and group that may connect. A root's helper must know them; another serves its own user. */
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

async function main(): Promise<number> {
  const refusal = tooOld(process.versions.node);
  if (refusal !== undefined) {
    log(refusal);
    return EX_UNAVAILABLE;
  }
  const libc = await loadLibc();
  const { config, backend, mode } = readArguments(libc.platform);
  if (mode === 'help') process.stdout.write(USAGE);
  if (mode === 'version') process.stdout.write(`ppp_thing_helper ${VERSION}\n`);
  if (mode === 'help' || mode === 'version') return 0;

  const uid = process.getuid?.() ?? 0;
  const policy = readPolicyFile(config, { platform: libc.platform, uid });
  const who = admitted(policy, config);
  if (mode === 'check') {
    log(`check ${config}: ${policy.sessions.map(({ name }) => name).join(', ')}`, 'info');
    return 0;
  }
  const makeBackend = await BACKENDS[backend]();
  const removing = mode === 'remove';
  const alive = removing ? undefined : serviceManager(libc, log);
  const serving = serve({
    libc,
    policy,
    makeBackend,
    ...who,
    log,
    removing,
    ...(alive && { alive }),
  });
  if (removing) serving.stop('remove');
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => serving.stop());
  alive?.ready();
  log(`serve ${policy.socketPath}: backend ${backend}, pid ${process.pid}`, 'info');
  await serving.stopped;
  return 0;
}

/** Our own faults go on to the runtime: a trace, and the service manager starts anew. */
function report(error: unknown): number {
  if (error instanceof ConfigError) {
    for (const line of error.message.split('\n')) log(line);
    return EX_CONFIG;
  }
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n${USAGE}`);
    return EX_USAGE;
  }
  if (error instanceof BackendError || error instanceof SystemError) {
    log(error.message);
    return 1;
  }
  if (error instanceof Error && 'syscall' in error && 'path' in error && 'code' in error) {
    // Node's own words: `ENOENT: no such file or directory, open '/usr/local/etc/ppp_thing.conf'`.
    const reason = error.message.replace(/^\w+: /, '').replace(/, \w+(?: '.*')?$/, '');
    log(`${String(error.syscall)} ${String(error.path)}: ${String(error.code)}: ${reason}`);
    return EX_CONFIG;
  }
  throw error;
}

// A terminal that goes away, or newsyslog(8), is no reason to stop.
process.on('SIGHUP', () => {});
process.exitCode = await main().catch(report);
