/**
 * The descriptors that a helper leaves to the next one: sent to a real socket as systemd has it, and passed to a real process.
 * What the Linux backend makes of them is tried on a real kernel, in test/kernel.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadLibc } from '@ppp-thing/helper/libc';
import { serviceManager } from '@ppp-thing/helper/service-manager';
import { DescriptorStore } from '@ppp-thing/lab/kernel/descriptor-store';
import t, { type Test } from 'tap';

const skip = process.platform !== 'linux' && 'systemd is of Linux';
const libc = await loadLibc();

function makeStore(t: Test): DescriptorStore {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-store-'));
  const store = new DescriptorStore(libc, join(folder, 'notify'));
  t.teardown(() => {
    store.close();
    rmSync(folder, { recursive: true });
  });
  return store;
}

/** A pipe, and whether octets written to the one end of it come out at `other`. */
function pipe(t: Test): { readonly ends: readonly number[]; isReadBy(other: number): boolean } {
  const ends = libc.pipe();
  t.teardown(() => ends.forEach((fd) => libc.close(fd)));
  return {
    ends,
    isReadBy(other) {
      libc.write(ends[1], Uint8Array.of(7));
      const into = new Uint8Array(1);
      return libc.read(other, into) === 1 && into[0] === 7;
    },
  };
}

const log = (line: string): void => t.comment(line);

t.test('keeper › without a service manager nothing is kept', { skip }, async (t) => {
  delete process.env['NOTIFY_SOCKET'];
  t.equal(serviceManager(libc, log).keeper, undefined);
});

t.test(
  'keeper › both descriptors of a session come in one message, and go in one',
  { skip },
  async (t) => {
    const store = makeStore(t);
    Object.assign(process.env, store.next().env);
    t.teardown(() => delete process.env['NOTIFY_SOCKET']);
    const { keeper } = serviceManager(libc, log);
    if (keeper === undefined) throw new Error('no keeper');
    t.equal(keeper.found.size, 0, 'LISTEN_PID names another process');
    const wan = pipe(t);
    t.equal(keeper.keep('wan', wan.ends), true);
    t.equal(keeper.keep('dsl.2', pipe(t).ends), true);
    const kept = store.kept();
    t.same(
      kept.map(({ name }) => name),
      ['wan', 'wan', 'dsl.2', 'dsl.2'],
    );
    t.match(store.heard[0], /^FDSTORE=1\nFDNAME=wan\nFDPOLL=0$/);
    const [first] = kept;
    t.notOk(wan.ends.includes(first?.fd ?? NaN), 'descriptors of its own');
    t.ok(wan.isReadBy(first?.fd ?? NaN), 'of the same pipe');
    keeper.forget('wan');
    t.same(
      store.kept().map(({ name }) => name),
      ['dsl.2', 'dsl.2'],
    );
  },
);

t.test('keeper › a store without room is asked again', { skip }, async (t) => {
  const store = makeStore(t);
  Object.assign(process.env, store.next().env);
  t.teardown(() => delete process.env['NOTIFY_SOCKET']);
  const { keeper } = serviceManager(libc, log);
  const { ends } = pipe(t);
  let sent = 0;
  // The kernel's queue of a datagram socket is short.
  while (keeper?.keep('wan', ends) === true && sent < 100_000) sent++;
  t.ok(sent < 100_000, `no room after ${sent}`);
  store.kept();
  t.equal(keeper?.keep('wan', ends), true);
});

/** Says what it found, and what of it is open, as JSON; then keeps only `wan` again. */
const NEXT = `
import { fstatSync } from 'node:fs';
import { loadLibc } from ${JSON.stringify(import.meta.resolve('@ppp-thing/helper/libc'))};
import { serviceManager } from ${JSON.stringify(import.meta.resolve('@ppp-thing/helper/service-manager'))};
const { keeper } = serviceManager(await loadLibc(), console.error);
const found = Array.from(keeper.found, ([name, fds]) => [name, fds.length, fds.every((fd) => fstatSync(fd).isFIFO())]);
console.log(JSON.stringify(found));
keeper.keep('wan', keeper.found.get('wan'));
`;

t.test(
  'keeper › the next process finds them by name, and empties the store',
  { skip },
  async (t) => {
    const store = makeStore(t);
    const wan = pipe(t);
    for (const [name, fd] of [
      ['wan', wan.ends[0]],
      ['gone', pipe(t).ends[0]],
      ['wan', wan.ends[1]],
    ] as const)
      store.put(name, libc.fcntl(fd ?? NaN, 0, 0));
    const { command, env, fds } = store.next();
    const [sh = '', ...words] = [...command, process.execPath, '--input-type=module', '-e', NEXT];
    const child = spawn(sh, words, {
      env: { ...process.env, ...env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'inherit', ...fds],
    });
    let printed = '';
    child.stdout?.on('data', (chunk) => (printed += String(chunk)));
    t.equal(await new Promise((resolve) => child.on('close', resolve)), 0);
    t.same(JSON.parse(printed), [
      ['wan', 2, true],
      ['gone', 1, true],
    ]);
    const left = store.kept();
    t.same(
      store.heard.map((text) => text.replaceAll('\n', ' ')),
      [
        'FDSTOREREMOVE=1 FDNAME=wan',
        'FDSTOREREMOVE=1 FDNAME=gone',
        'FDSTORE=1 FDNAME=wan FDPOLL=0',
      ],
      'what it does not put back ends with it',
    );
    t.same(
      left.map(({ name }) => name),
      ['wan', 'wan'],
    );
    t.ok(wan.isReadBy(left[0]?.fd ?? NaN));
  },
);
