/**
 * `make lab-kernel ARGS=--guide`, in the guest: does what docs/linux.md says, from nothing, in two routers with files of
 * their own, and checks what it says one will see; then pulls the plug. Prints one line of JSON.
 *
 * What is not as on two machines: packages are the host's; the blocks marked `skip` are not run, and instead of scp(1) the
 * key is copied by us.
 *
 * Usage: node guide.js DOCUMENT PACKAGE
 */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { prepareAc, readAcLog, startAc } from './ac.ts';
import { buildNetwork, inside, plug, type Router as Name } from './net.ts';
import { say, Station, until } from './station.ts';
import { GUEST_RESULT } from './uml.ts';

const MACHINE = fileURLToPath(new URL('../../kernel-guest/machine.sh', import.meta.url));
const ACCOUNT = { user: 'alice@isp.example', password: 'the password of the ISP' };
const CARDS = ['eth0', 'eth1', 'eth2'] as const;
/**
 * Seconds; a router that is taken away must be found out and followed by then. An upgrade starts both programs anew, which
 * takes 25 s in a guest on a busy host, and on Linux nobody answers meanwhile.
 */
const ECHO_BUDGET = 90;
const SEE_LIMIT = 20_000;
/** As many looks as fit into that: each of them runs a command, which takes a second where the machine is busy. */
const STATUS_LIMIT = 500;
/** No command of the document takes this long; one that does is ended, and named. */
const COMMAND_LIMIT = 150_000;
const BOOT_LIMIT = 30_000;
const STATUS = 'pppthingctl status';

/** One router: files, network, processes and a systemd of its own. */
class Machine {
  readonly name: Name;
  /** Of its first process, as the guest counts. */
  readonly #pid: number;

  private constructor(name: Name, pid: number) {
    this.name = name;
    this.#pid = pid;
  }

  static async boot(name: Name, packed: string): Promise<Machine> {
    const keeper = execa('ip', inside(name, MACHINE, name, packed), {
      stdio: ['ignore', 'inherit', 'inherit'],
      reject: false,
    });
    const firstOf = async (): Promise<number> => {
      const { stdout } = await execa('ps', ['-o', 'pid=', '--ppid', String(keeper.pid)], {
        reject: false,
      });
      return Number(stdout);
    };
    await until(`${name} is there`, BOOT_LIMIT, async () => (await firstOf()) > 0);
    const machine = new Machine(name, await firstOf());
    const isUp = async (): Promise<boolean> =>
      (await machine.try('systemctl is-active multi-user.target')).exitCode === 0;
    await until(`${name} has booted`, BOOT_LIMIT, isUp);
    return machine;
  }

  /** What a script prints; throws with that, and what it was, if it ends badly. */
  async run(script: string): Promise<string> {
    const { exitCode, all } = await this.try(script);
    if (exitCode !== 0) throw new Error(`${this.name}: exit status ${exitCode}: ${script}\n${all}`);
    return all;
  }

  async try(script: string): Promise<{ readonly exitCode: number; readonly all: string }> {
    const entered = ['--target', String(this.#pid), '--mount', '--net', '--pid', '--uts'];
    const {
      exitCode = -1,
      all,
      timedOut,
    } = await execa('nsenter', [...entered, 'sh', '-eu', '-c', `cd /root\n${script}`], {
      reject: false,
      all: true,
      stdin: 'ignore',
      timeout: COMMAND_LIMIT,
    });
    if (timedOut)
      throw new Error(`${this.name}: no end after ${COMMAND_LIMIT} ms: ${script}\n${all}`);
    return { exitCode, all };
  }

  async write(path: string, text: string): Promise<void> {
    const aside = `${GUEST_RESULT}/file`;
    await writeFile(aside, text);
    const place = `/proc/${this.#pid}/root${path}`;
    await mkdir(dirname(place), { recursive: true });
    await copyFile(aside, place);
  }

  async read(path: string): Promise<string> {
    return readFile(`/proc/${this.#pid}/root${path}`, 'utf8');
  }

  /** No cable, and every program dead. */
  async powerCut(): Promise<void> {
    await plug(this.name, CARDS, false);
    process.kill(this.#pid, 'SIGKILL');
  }
}

/** What the guest tells the host, in `guide.json`. */
export interface GuideReport {
  /** Blocks done, counted for each router. */
  readonly steps: number;
  readonly sessionIdBefore: number;
  readonly sessionIdAfter: number;
  readonly acSessions: number;
  readonly acLcpNegotiations: number;
  /** Of the two handoffs, and of the power cut. */
  readonly handoffs: Loss;
  readonly powerCut: Loss;
}

interface Loss {
  readonly probesLost: number;
  readonly outageMs: number;
  readonly tcpSurvived: boolean;
}

interface Block {
  readonly kind: 'sh' | 'see' | 'file';
  readonly where: readonly Name[];
  readonly isSkipped: boolean;
  readonly path: string;
  readonly text: string;
}

/** The marked blocks of the document: language, routers, and `skip` or a path. */
function blocksOf(document: string): readonly Block[] {
  return Array.from(
    document.matchAll(/^```(\w+) (both|r1|r2)(?: (\S+))?\n([^]*?)^```$/gm),
    (found) => {
      const [, language = '', where = '', more = '', text = ''] = found;
      return {
        kind: language === 'sh' || language === 'see' ? language : 'file',
        where: where === 'both' ? ['r1', 'r2'] : [where === 'r1' ? 'r1' : 'r2'],
        isSkipped: more === 'skip',
        path: more,
        text,
      };
    },
  );
}

const [document = '', packed = ''] = process.argv.slice(2);
await execa('/run/modprobe', ['overlay']);
await buildNetwork();
for (const name of ['r1', 'r2']) {
  const lines = CARDS.flatMap((card) => [`addr flush dev ${card}`, `link set ${card} down`]);
  await execa('ip', ['-n', name, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}
await prepareAc('chap', ECHO_BUDGET, ACCOUNT);
const ac = startAc();
const server = new Station('ac', 'serve');
await server.ready();
const machines = {
  r1: await Machine.boot('r1', packed),
  r2: await Machine.boot('r2', packed),
};
say(`two routers without a file of ours but ${basename(packed)}`);

let probe: Station | undefined;
const printed: Record<Name, string> = { r1: '', r2: '' };
/** Whether it was asked for by a command that a person repeats. */
const isStatus: Record<Name, boolean> = { r1: false, r2: false };
const holds = async (name: Name): Promise<boolean> =>
  (await machines[name].run(STATUS)).includes('this router holds the session');
const sessionId = async (name: Name): Promise<number> => {
  const status: { sessions: { session: { sessionId: number } | null }[] } = JSON.parse(
    await machines[name].run('pppthingctl status --json'),
  );
  return status.sessions[0]?.session?.sessionId ?? 0;
};

async function perform({ kind, path, text }: Block, name: Name): Promise<void> {
  if (kind === 'file') return machines[name].write(path, text);
  isStatus[name] = text.trim() === STATUS;
  printed[name] = isStatus[name] ? '' : await machines[name].run(text);
}

/** Each line of it, in what was printed last; status is asked again until it says so. */
async function see({ text }: Block, name: Name): Promise<void> {
  const lines = text.trim().split('\n');
  const isSeen = async (): Promise<boolean> => {
    if (lines.every((line) => printed[name].includes(line))) return true;
    if (isStatus[name]) printed[name] = (await machines[name].try(STATUS)).all;
    return false;
  };
  try {
    await until(lines.join('; '), STATUS_LIMIT, isSeen, () => printed[name]);
  } catch (cause) {
    const { all: logs } = await machines[name].try('journalctl --no-pager -n 60');
    throw new Error(`${logs}\n${name}: ${String(cause)}; it printed:\n${printed[name]}`, { cause });
  }
  const { gapMs, tcpGapMs, probesLost } = (await probe?.report()) ?? {};
  const cost = probe && `; gaps of UDP ${gapMs} ms, of TCP ${tcpGapMs} ms; ${probesLost} lost`;
  say(`${name}: seen: ${lines.join('; ')}${cost ?? ''}`);
}

let steps = 0;
let before = 0;
for (const block of blocksOf(await readFile(document, 'utf8'))) {
  const { kind, where, isSkipped, text } = block;
  if (text.startsWith('scp '))
    await machines.r2.write('/etc/ppp_thing.keys', await machines.r1.read('/etc/ppp_thing.keys'));
  if (isSkipped) continue;
  if (text.startsWith('pppthingctl handoff')) {
    probe = new Station('lan', 'probe');
    await probe.ready();
    await probe.begin();
    before = await sessionId('r1');
    say(`the LAN has the Internet, through session ${before}`);
  }
  for (const name of where) {
    if (kind === 'see') await see(block, name);
    else await perform(block, name);
    steps++;
  }
  if (kind !== 'see') say(`${where.join(', ')}: ${text.trim().split('\n').at(-1)}`);
}
if (probe === undefined) throw new Error('the document hands nothing over');

const traffic = probe;
/** Until traffic has run for a second; what came of it is said where it does not. */
async function steady(): Promise<void> {
  let last = '';
  const isSteady = async (): Promise<boolean> => {
    const report = await traffic.report();
    last = JSON.stringify(report);
    return report.steadyMs > 1000;
  };
  try {
    await until('steady traffic', SEE_LIMIT, isSteady, () => last);
  } catch (cause) {
    const shown = [
      'ip -4 address',
      'ip route',
      'iptables-legacy -t nat -nvL',
      'ip neigh',
      'conntrack -L',
      'iptables-legacy -nvL FORWARD',
      'journalctl --no-pager -n 40',
    ];
    const logs = await Promise.all(
      Object.values(machines).map(async (machine) => (await machine.try(shown.join('\n'))).all),
    );
    throw new Error(`${logs.join('\n---\n')}\n${String(cause)}: ${last}`, { cause });
  }
}
await steady();
const moved = await probe.report();
await probe.begin();
await machines.r1.powerCut();
await until('r2 holds the session', SEE_LIMIT, () => holds('r2'));
await steady();
const cut = await probe.report();
const after = await sessionId('r2');

/** What dpkg leaves behind, of the paths that it may not and must not. */
const left = (): Promise<string> =>
  machines.r2.run(
    'ls -d /etc/ppp_thing.conf /etc/ppp_thing.keys /var/lib/ppp_thing /usr/sbin/ppp_thing /sys/class/net/pppoe0 2>/dev/null || true',
  );
const asRemoved = '/etc/ppp_thing.conf\n/etc/ppp_thing.keys\n/var/lib/ppp_thing';
const log = await readAcLog();
for (const [option, wanted] of [
  ['-r', asRemoved],
  ['-P', ''],
] as const) {
  await machines.r2.run(`dpkg ${option} ${basename(packed).split('_')[0]}`);
  const found = await left();
  if (found !== wanted) throw new Error(`dpkg ${option} leaves:\n${found}\nexpected:\n${wanted}`);
  say(`r2: dpkg ${option} leaves what it should`);
}
const result: GuideReport = {
  steps,
  sessionIdBefore: before,
  sessionIdAfter: after,
  acSessions: log.sessions,
  acLcpNegotiations: log.lcpNegotiations,
  handoffs: { probesLost: moved.probesLost, outageMs: moved.gapMs, tcpSurvived: moved.tcpAlive },
  powerCut: {
    probesLost: cut.probesLost,
    outageMs: cut.gapMs,
    tcpSurvived: cut.tcpAlive,
  },
};
await writeFile(`${GUEST_RESULT}/guide.json`, JSON.stringify(result));
ac.kill('SIGKILL');
process.exit(0);
