/**
 * One process of a router: started with execa, its lines put on the bus, its last ones kept for a report, and killed by
 * its pid. What it is told and what it means is the router's business.
 */
import { execa } from 'execa';
import type { Bus, ProcessName, RouterName } from './bus.ts';

export interface ProcessOptions {
  readonly router: RouterName;
  readonly process: ProcessName;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly bus: Bus;
}

/** Lines kept for a report. */
const KEPT = 12;
/** A line longer than this is cut: a process that went wild must not fill the lab's memory. */
const LONGEST = 4096;

/** `cleanup`: it dies with the lab, however that ends short of a kill. */
const launch = ({ command, args, env }: ProcessOptions) =>
  execa(command, args, {
    reject: false,
    buffer: false,
    stdin: 'ignore',
    cleanup: true,
    env: { ...env, NO_COLOR: '1' },
  });

type Child = ReturnType<typeof launch>;

export class LabProcess {
  readonly #options: ProcessOptions;
  readonly #last: string[] = [];
  #child: Child | undefined;
  #exit: string | undefined;
  #isWanted = false;

  constructor(options: ProcessOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** How the last life ended; undefined if there was none, or it lasts. */
  get exit(): string | undefined {
    return this.#exit;
  }

  get lastLines(): readonly string[] {
    return this.#last;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const { router, process: name, bus } = this.#options;
    if (this.#child !== undefined) throw new Error(`${router} ${name} is already running`);
    const child = launch(this.#options);
    this.#child = child;
    this.#exit = undefined;
    this.#isWanted = false;
    this.#read(child.stdout);
    this.#read(child.stderr);
    void child.then((result) => {
      if (this.#child === child) this.#child = undefined;
      const how = result.signal ?? result.exitCode ?? result.code;
      this.#exit = String(how ?? 'not started');
      bus.tell({ kind: 'exit', router, process: name, how: this.#exit, wanted: this.#isWanted });
    });
  }

  /** At once and without a word, as a power cut or a bug would. Resolves when the process is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#isWanted = true;
    child.kill('SIGKILL');
    await child;
  }

  #read(stream: NodeJS.ReadableStream | null): void {
    const { router, process: name, bus } = this.#options;
    let held = '';
    stream?.setEncoding('utf8');
    stream?.on('data', (chunk: string) => {
      const lines = (held + chunk).split('\n');
      held = (lines.pop() ?? '').slice(0, LONGEST);
      for (const text of lines) {
        this.#last.push(text);
        if (this.#last.length > KEPT) this.#last.shift();
        bus.tell({ kind: 'line', router, process: name, text });
      }
    });
  }
}
