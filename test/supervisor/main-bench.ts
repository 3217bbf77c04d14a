/** The supervisor's command as a process, with a scripted helper on a real socket and a configuration of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { friendly, Script } from './script.ts';

const MAIN = fileURLToPath(import.meta.resolve('@ppp-thing/supervisor/main'));
export const KEY = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';

/** A module that is loaded first. */
const FREEBSD = `data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'platform', { value: 'freebsd' })",
)}`;

export class Command {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  output = '';
  #looks: (() => void)[] = [];

  /** @param inherited descriptors from 3 on that it finds open; 'ignore' for one that it does not */
  constructor(
    args: readonly string[],
    runtime: readonly string[] = [process.execPath],
    inherited: readonly (number | 'ignore')[] = [],
  ) {
    // Without what tap has every Node.js load: it takes the signals for itself.
    const command = ['-u', 'NODE_OPTIONS', ...runtime, MAIN, ...args];
    this.child = spawn('env', command, { stdio: ['ignore', 'pipe', 'pipe', ...inherited] });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk: unknown) => {
        this.output += String(chunk);
        for (const look of this.#looks) look();
      });
    this.exit = new Promise((resolve) => this.child.on('close', (code) => resolve(code)));
  }

  async printed(text: string, times = 1): Promise<void> {
    while (this.output.split(text).length - 1 < times)
      await new Promise<void>((resolve, reject) => {
        this.#looks = [resolve];
        void this.exit.then((code) => reject(new Error(`exit ${code}: ${this.output}`)));
      });
  }
}

export interface Bench {
  readonly folder: string;
  readonly config: string;
  readonly keyFile: string;
  readonly script: Script;
  start(...args: readonly string[]): Command;
  /** As a program of FreeBSD, whose daemon(8) restarts it whatever it exits with. */
  startOnFreebsd(): Command;
  /** With `preload` (kill-at.ts), which kills it when its directories have changed `step` times. */
  startKilled(preload: string, step: number): Command;
  /** Write the configuration; `more` goes into the session. */
  write(supervisor: string, more?: string): void;
}

export const me = process.getuid?.() ?? 0;

export async function bench(t: Test): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-main-'));
  chmodSync(folder, 0o755);
  for (const each of ['run', 'state']) mkdirSync(join(folder, each));
  const keyFile = join(folder, 'key');
  writeFileSync(keyFile, `7 ${KEY}\n`);
  const script = new Script(friendly);
  await script.listen(join(folder, 'helper.sock'));
  const config = join(folder, 'ppp_thing.conf');
  const commands: Command[] = [];
  t.teardown(async () => {
    for (const { child, exit } of commands) {
      child.kill('SIGKILL');
      await exit;
    }
    await script.die();
    rmSync(folder, { recursive: true });
  });
  const write = (supervisor: string, more = ''): void =>
    writeFileSync(
      config,
      `[helper]
socket = "${folder}/helper.sock"
[supervisor]
state_directory = "${folder}/state"
run_directory = "${folder}/run"
${supervisor}
[partner]
local_address = "127.0.0.1"
address = "127.0.0.1"
port = ${20_000 + (process.pid % 10_000)}
partner_port = ${30_000 + (process.pid % 10_000)}
router_id = 1
partner_id = 2
key_file = "${keyFile}"
[session.pppoe0]
interface = "em0"
mac = "02:00:5e:10:53:01"
user = "someone"
password = "hunter2"
policy = "pinned"
hold_down_seconds = 0
${more}
`,
    );
  write(`user = "${me}"\ngroup = "${process.getgid?.() ?? 0}"`);
  const run = (args: readonly string[], runtime?: readonly string[]): Command => {
    const command = new Command(['--config', config, ...args], runtime);
    commands.push(command);
    return command;
  };
  const start = (...args: readonly string[]): Command => run(args);
  const startKilled = (preload: string, step: number): Command =>
    run(
      [],
      [
        `KILL_AT=${step}`,
        `KILL_WATCHED=${folder}/run:${folder}/state`,
        process.execPath,
        '--import',
        preload,
      ],
    );
  const startOnFreebsd = (): Command => run([], [process.execPath, '--import', FREEBSD]);
  return { folder, config, keyFile, script, start, startOnFreebsd, startKilled, write };
}
