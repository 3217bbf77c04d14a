/** The helper's command as a process, with a router and a configuration of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { Machine } from './machine.ts';

const MAIN = fileURLToPath(import.meta.resolve('@ppp-thing/helper/main'));
const PATIENCE_MS = 300_000;

/** Beside what this process has. */
type Environment = NodeJS.ProcessEnv;

export interface Command {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
  /** Settles with the milliseconds since the start when `text` has been printed. */
  printed(text: string): Promise<number>;
}

export function run(...args: readonly string[]): Command {
  return start(MAIN, args);
}

function start(main: string, args: readonly string[], env: Environment = {}): Command {
  const began = performance.now();
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let output = '';
  let looks: (() => void)[] = [];
  const add = (chunk: unknown): void => {
    output += String(chunk);
    for (const look of looks) look();
  };
  child.stdout.on('data', add);
  child.stderr.on('data', add);
  const exit = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  return {
    child,
    output: () => output,
    exit,
    printed: (text) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no ${text} in ${output}`)), PATIENCE_MS);
        const look = (): void => {
          if (!output.includes(text)) return;
          clearTimeout(timer);
          looks = looks.filter((each) => each !== look);
          resolve(performance.now() - began);
        };
        looks.push(look);
        look();
      }),
  };
}

/** A configuration for that router, of whoever runs this. */
export function configuration(router: Machine): string {
  const path = join(router.folder, 'ppp_thing.conf');
  writeFileSync(
    path,
    `[helper]
socket = "${router.policy.socketPath}"
state_directory = "${router.policy.stateDirectory}"
user = "${process.getuid?.() ?? 0}"
group = "${process.getgid?.() ?? 0}"
[session.pppoe0]
interface = "igb0"
mac = "02:00:5e:10:53:01"
carp_interface = "igb1"
carp_vhid = 1
carp_address = "192.168.7.1"
password = "hunter2"
`,
    { mode: 0o640 },
  );
  return path;
}

export async function simulated(
  t: Test,
): Promise<{ router: Machine; start: (env?: Environment, ...more: string[]) => Command }> {
  const router = await Machine.boot();
  const config = configuration(router);
  const { main, env } = await router.open();
  const started: Command[] = [];
  t.teardown(async () => {
    for (const { child, exit } of started) {
      child.kill('SIGKILL');
      await exit;
    }
    await router.close();
  });
  const begin = (more: Environment = {}, ...args: readonly string[]): Command => {
    const command = start(main, ['--config', config, ...args], { ...env, ...more });
    started.push(command);
    return command;
  };
  return { router, start: begin };
}
