/**
 * The part of tap that the tests of the helper and of a FreeBSD kernel use, where tap itself cannot be: Bun lacks
 * node:v8's Serializer, and a machine that only tests its kernel need not have 260 packages. It prints TAP and sets the exit
 * status; tests run one after the other, in the order they were written.
 */
import { deepStrictEqual, throws as assertThrows } from 'node:assert';
import { isDeepStrictEqual } from 'node:util';

type Body = (t: MiniTest) => unknown;

/** tap's `match`: every field of the pattern is found in what was found; a RegExp matches text. */
function matches(found: unknown, pattern: unknown): boolean {
  if (pattern instanceof RegExp) return pattern.test(String(found));
  if (typeof pattern === 'string') return typeof found === 'string' && found.includes(pattern);
  if (typeof pattern !== 'object' || pattern === null) return Object.is(found, pattern);
  if (typeof found !== 'object' || found === null) return false;
  const values = new Map(Object.entries(found));
  return Object.entries(pattern).every(
    ([key, each]) => values.has(key) && matches(values.get(key), each),
  );
}

class MiniTest {
  readonly #teardowns: (() => unknown)[] = [];
  readonly #failures: string[] = [];

  #check(passed: boolean, what: string): void {
    if (!passed) this.#failures.push(what);
  }

  ok(value: unknown, name = ''): void {
    this.#check(Boolean(value), `not ok: ${name}`);
  }

  notOk(value: unknown, name = ''): void {
    this.#check(!value, `ok: ${name}`);
  }

  equal(found: unknown, wanted: unknown, name = ''): void {
    this.#check(Object.is(found, wanted), `${String(found)} is not ${String(wanted)} ${name}`);
  }

  strictSame(found: unknown, wanted: unknown, name = ''): void {
    if (isDeepStrictEqual(found, wanted)) return;
    try {
      deepStrictEqual(found, wanted);
    } catch (error) {
      this.fail(`${String(error)} ${name}`);
    }
  }

  match(found: unknown, pattern: unknown, name = ''): void {
    this.#check(matches(found, pattern), `${JSON.stringify(found)} does not match ${name}`);
  }

  notMatch(found: unknown, pattern: unknown, name = ''): void {
    this.#check(!matches(found, pattern), `${JSON.stringify(found)} matches ${name}`);
  }

  throws(run: () => unknown, wanted?: unknown, name = ''): void {
    try {
      assertThrows(run, (error) => fits(error, wanted));
    } catch (error) {
      this.fail(`${String(error)} ${name}`);
    }
  }

  async rejects(promise: Promise<unknown>, wanted?: unknown): Promise<void> {
    const caught = await promise.then(
      () => undefined,
      (error: unknown) => error,
    );
    this.#check(caught !== undefined && fits(caught, wanted), `not rejected: ${String(caught)}`);
  }

  pass(): void {}

  fail(what = ''): void {
    this.#failures.push(what);
  }

  comment(text: string): void {
    console.log(`# ${text}`);
  }

  teardown(run: () => unknown): void {
    this.#teardowns.unshift(run);
  }

  async run(name: string, number: number, body: Body): Promise<boolean> {
    try {
      await body(this);
    } catch (error) {
      this.fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    for (const teardown of this.#teardowns) await teardown();
    const failed = this.#failures.length > 0;
    console.log(`${failed ? 'not ok' : 'ok'} ${number} - ${name}`);
    for (const failure of this.#failures) console.log(failure.replaceAll(/^/gm, '  # '));
    return !failed;
  }
}

const fits = (error: unknown, wanted: unknown): boolean =>
  wanted === undefined ||
  (typeof wanted === 'function' ? error instanceof wanted : matches(plain(error), wanted));

/** The fields of an error that are not enumerable are there to be matched too. */
const plain = (error: unknown): unknown =>
  error instanceof Error ? { ...error, message: error.message, name: error.name } : error;

interface Queued {
  readonly name: string;
  readonly skip: unknown;
  readonly body: Body;
}

/** Tests in the order they were written, one at a time, once the file has been read. */
class Root extends MiniTest {
  readonly #queue: Queued[] = [];
  readonly #last: (() => unknown)[] = [];
  #running = false;

  test(name: string, ...rest: readonly [Body] | readonly [{ readonly skip: unknown }, Body]): void {
    const [options, body] = rest.length === 1 ? [{ skip: false }, rest[0]] : rest;
    this.#queue.push({ name, skip: options.skip, body });
    if (this.#running) return;
    this.#running = true;
    setTimeout(() => void this.#runAll(), 0);
  }

  override teardown(run: () => unknown): void {
    this.#last.unshift(run);
  }

  async #runAll(): Promise<void> {
    let failed = 0;
    let number = 0;
    for (const { name, skip, body } of this.#queue) {
      if (skip !== false) console.log(`ok ${++number} - ${name} # SKIP ${String(skip)}`);
      else if (!(await new MiniTest().run(name, ++number, body))) failed++;
    }
    for (const teardown of this.#last) await teardown();
    console.log(`1..${number}\n# { total: ${number}, pass: ${number - failed}, fail: ${failed} }`);
    process.exitCode = failed === 0 ? 0 : 1;
  }
}

export default new Root();
