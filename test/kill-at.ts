/**
 * Kills a program with SIGKILL at a step of its start: loaded into it before anything else (`node --import`), it counts the
 * calls that reach the system, and at the one whose number is in KILL_AT ends the process, before the call or after it. With
 * KILL_WATCHED it counts only the calls before which something in those directories has changed: to the next start, a kill
 * between two changes is like any other between the same two.
 */
import childProcess from 'node:child_process';
import dgram from 'node:dgram';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

/** `12` is before the twelfth call, `12.5` after it. */
const at = Number(process.env['KILL_AT']);
let steps = process.env['KILL_LIBC'] === undefined ? 0 : -Infinity;
const watched = process.env['KILL_WATCHED']?.split(':');
const { lstatSync, readdirSync, readFileSync } = fs;

/** What the process may read of it. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return 'unreadable';
  }
}

/** Every name in the watched directories, with owner, mode and content. */
const left = (): string =>
  (watched ?? [])
    .flatMap((directory) => [
      directory,
      ...readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => {
        const path = `${directory}/${name}`;
        const stat = lstatSync(path);
        return [path, stat.mode, stat.uid, stat.gid, stat.isFile() ? contentOf(path) : ''].join(
          ' ',
        );
      }),
    ])
    .join('\n');

let seen = left();
/** Node.js reads a file by calls that are counted here. */
let isLooking = false;

/** Whether the next call counts. */
function isStep(): boolean {
  if (watched === undefined) return true;
  if (isLooking) return false;
  isLooking = true;
  const now = left();
  isLooking = false;
  if (now === seen) return false;
  seen = now;
  return true;
}

type Method = (...args: unknown[]) => unknown;

/** The object is a module of Node.js: any of its functions may be put in the place of another. */
function count(owner: object, name: string): void {
  const before: unknown = Reflect.get(owner, name);
  if (typeof before !== 'function') return;
  const counted: Method = function (this: unknown, ...args) {
    const isNext = isStep();
    if (isNext) steps += 1;
    const step = isNext ? steps : Number.NaN;
    if (at === step) process.kill(process.pid, 'SIGKILL');
    const result: unknown = Reflect.apply(before, this, args);
    if (at === step + 0.5) process.kill(process.pid, 'SIGKILL');
    return result;
  };
  Reflect.set(owner, name, counted);
}

// What reads changes nothing that a next start would find, and a kill at a close is one at the next call.
for (const name of Object.keys(fs)) {
  const writes = /^(chmod|chown|mkdir|rename|unlink|rm|link|symlink|write|fsync|open)\w*Sync$/;
  if (writes.test(name)) count(fs, name);
}
count(net.Server.prototype, 'listen');
count(net.Socket.prototype, 'connect');
count(dgram.Socket.prototype, 'bind');
for (const name of ['setuid', 'setgid', 'setgroups', 'initgroups', 'umask']) count(process, name);
count(childProcess, 'spawn');
syncBuiltinESMExports();

// The helper reaches its system through libc. Waiting and closing change nothing that a next start would find.
if (process.env['KILL_LIBC'] !== undefined) {
  const { default: koffi } = await import('koffi');
  const { load } = koffi;
  koffi.load = (path) => {
    const library = load(path);
    // What was before is the reading of the program's own files.
    steps = 0;
    // A declaration in C, or a name and its types.
    const func = (...declared: unknown[]): unknown => {
      const run: unknown = Reflect.apply(library.func, library, declared);
      const call = { run };
      if (!/\b(poll|close|read|recvfrom)\(/.test(String(declared[0]))) count(call, 'run');
      return call.run;
    };
    return { func } as unknown as typeof library;
  };
}

process.on('exit', () => undefined);
process.stdout.on('error', () => undefined);
/** Told when there is no such step any more: the start is over. */
process.on('SIGUSR2', () => process.stdout.write(`steps ${steps}\n`));
