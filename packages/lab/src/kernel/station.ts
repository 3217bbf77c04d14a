/** A traffic program running in a host of the lab, as the scenes see it; and waiting for what they wait for. */
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa, type ResultPromise } from 'execa';
import { INTERNET, inside, type Host } from './net.ts';
import type { Traffic } from './traffic.ts';

const TRAFFIC = fileURLToPath(new URL('./traffic.js', import.meta.url));

const TALKING = { stderr: 'inherit', reject: false, buffer: false } as const;

/** How often to look while waiting for something in the guest, milliseconds. */
const LOOK_INTERVAL = 25;

/** One line of the timeline, with the seconds since this program began. */
export const say = (text: string): void =>
  console.log(`[${(performance.now() / 1000).toFixed(2).padStart(7)}] ${text}`);

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** After how long a wait says what it waits for, and again after as long, milliseconds: well before the host gives up. */
const SAY_INTERVAL = 30_000;

/**
 * Wait until `there` is true. Returns after how many milliseconds; throws naming `what` after as many looks as fit into
 * `limit` milliseconds on a machine that has nothing else to do. On a busy one a look takes longer, and so may the wait.
 * A long wait says what it is for, so that the guest's last line names what it hangs at.
 */
export async function until(
  what: string,
  limit: number,
  there: () => Promise<boolean> | boolean,
  seen: () => string = () => '',
): Promise<number> {
  const start = performance.now();
  let said = start;
  for (let looks = 0; !(await there()); looks++) {
    if (looks * LOOK_INTERVAL > limit) throw new Error(`${what}: not within ${looks} looks`);
    if (performance.now() - said > SAY_INTERVAL) {
      said = performance.now();
      say(`still waiting for: ${what}, ${looks} looks; ${seen()}`);
    }
    await pause(LOOK_INTERVAL);
  }
  return Math.round(performance.now() - start);
}

/** How long the probe may take to report that it is ready: the kernel tries an unanswered connection for longer. Milliseconds. */
const READY_LIMIT = 90_000;

export class Station {
  readonly #process: ResultPromise<typeof TALKING>;
  readonly #lines: Interface;

  /** @param interval  milliseconds between probes */
  constructor(host: Host, mode: 'serve' | 'probe', address = INTERNET, interval = 10) {
    const command = inside(host, process.execPath, TRAFFIC, mode, address, String(interval));
    this.#process = execa('ip', command, TALKING);
    this.#lines = createInterface({ input: this.#process.stdout });
  }

  /** It serves, or its TCP connection is established. Throws AbortError if that does not come. */
  async ready(): Promise<void> {
    await once(this.#lines, 'line', { signal: AbortSignal.timeout(READY_LIMIT) });
  }

  /** What happened since the last `begin`. */
  report(): Promise<Traffic> {
    return this.#ask('report');
  }

  async begin(): Promise<void> {
    await this.#ask('begin');
  }

  async #ask(word: string): Promise<Traffic> {
    const answer = once(this.#lines, 'line');
    this.#process.stdin.write(`${word}\n`);
    return JSON.parse(String((await answer)[0])) as Traffic;
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#process;
  }
}
