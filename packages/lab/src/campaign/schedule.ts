/** One virtual clock: what is to happen, in order of time and then of asking. It knows nothing of what happens. */

interface Task {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Schedule {
  /** Milliseconds since the world began. */
  now = 0;
  readonly #heap: Task[] = [];
  #order = 0;

  /** How many things are still to happen. */
  get length(): number {
    return this.#heap.length;
  }

  /** Run `run` at `at`, or now if that has passed. */
  at(at: number, run: () => void): void {
    const heap = this.#heap;
    const task = { at: Math.max(at, this.now), order: this.#order++, run };
    let i = heap.push(task) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as Task;
      if (!isBefore(task, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = task;
  }

  in(span: number, run: () => void): void {
    this.at(this.now + span, run);
  }

  /** Do the next thing, if it is due by `until`. */
  step(until: number): boolean {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.at > until) {
      this.now = until;
      return false;
    }
    const last = heap.pop() as Task;
    if (heap.length > 0) this.#sink(last);
    this.now = first.at;
    first.run();
    return true;
  }

  #sink(task: Task): void {
    const heap = this.#heap;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Task, heap[child] as Task))
        child++;
      const below = heap[child] as Task;
      if (!isBefore(below, task)) break;
      heap[i] = below;
      i = child;
    }
    heap[i] = task;
  }
}

const isBefore = (a: Task, b: Task): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
