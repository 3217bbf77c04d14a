/**
 * Machines on this host's clock: each is fed its events, asked for its deadline, and woken for it. What they output is
 * performed in one queue, in order, so that a frame goes its way as it would in time.
 */
import type { Engine } from '@ppp-thing/protocol/engine/events';
import type { Instant } from '@ppp-thing/protocol/time';

/** Milliseconds since this process began; monotonic. */
export const now = (): Instant => performance.now() as Instant;

/** What is to be done, in order; what that leads to is done after it. */
export class Queue {
  readonly #tasks: (() => void)[] = [];
  #isRunning = false;

  do(task: () => void): void {
    this.#tasks.push(task);
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next = this.#tasks.shift(); next !== undefined; next = this.#tasks.shift()) next();
    } finally {
      this.#isRunning = false;
    }
  }
}

export class Runner<E, O> {
  readonly #machine: Engine<E | { readonly kind: 'deadline' }, O>;
  readonly #queue: Queue;
  readonly #perform: (output: O) => void;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(
    machine: Engine<E | { readonly kind: 'deadline' }, O>,
    queue: Queue,
    perform: (output: O) => void,
  ) {
    this.#machine = machine;
    this.#queue = queue;
    this.#perform = perform;
  }

  feed(event: E | { readonly kind: 'deadline' }): void {
    this.#queue.do(() => {
      for (const output of this.#machine.handle(event, now()))
        this.#queue.do(() => this.#perform(output));
      this.#arm();
    });
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const at = this.#machine.deadline();
    if (at === undefined || this.#isStopped) return;
    // A timer may fire a little early; the machine then asks again for what is left.
    const wait = Math.max(0, Math.ceil(at - now()));
    this.#timer = setTimeout(() => this.feed({ kind: 'deadline' }), wait);
  }
}
