/**
 * Runs a program under the system calls that a unit of ours allows, as systemd would: `confined.js UNIT PROGRAM ARGS…`.
 * A call that the unit refuses kills the program here, so that none goes unseen; but for those that a runtime tries first and
 * can do without, which get EPERM as they do under systemd. x86-64 Linux only.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import koffi from 'koffi';

const NUMBERS = '/usr/include/x86_64-linux-gnu/asm/unistd_64.h';
const PR_SET_NO_NEW_PRIVS = 38;
const F_SETFD = 2;
const SYS_SECCOMP = 317;
const SECCOMP_SET_MODE_FILTER = 1;
const FLAG_TSYNC = 1;
const ALLOW = 0x7fff_0000;
const KILL_PROCESS = 0x8000_0000;
const EPERM = 0x0005_0001;
/** libuv reads and writes files with these where it may, and with a thread where it may not. */
const DISPENSABLE: ReadonlySet<string> = new Set([
  'io_uring_setup',
  'io_uring_enter',
  'io_uring_register',
]);

/** The names that a set of systemd's stands for, sets within it included. */
function namesIn(set: string): string[] {
  if (!set.startsWith('@')) return [set];
  return execFileSync('systemd-analyze', ['--no-pager', 'syscall-filter', set], {
    encoding: 'utf8',
  })
    .split('\n')
    .filter((line) => /^ +[^# ]/.test(line))
    .flatMap((line) => namesIn(line.trim()));
}

function allowedBy(unit: string): Set<string> {
  const allowed = new Set(namesIn('@default'));
  for (const [, not, sets = ''] of readFileSync(unit, 'utf8').matchAll(
    /^SystemCallFilter=(~?)(.*)$/gm,
  ))
    for (const name of sets.split(' ').flatMap(namesIn))
      if (not === '~') allowed.delete(name);
      else allowed.add(name);
  return allowed;
}

const numbers = (names: ReadonlySet<string>): number[] =>
  Array.from(readFileSync(NUMBERS, 'utf8').matchAll(/^#define __NR_(\w+) (\d+)$/gm))
    .filter(([, name = '']) => names.has(name))
    .map(([, , number]) => Number(number));

/** struct sock_filter: u16 code, u8 jt, u8 jf, u32 k. Load the number, and allow it if it is one of these. */
function filter(allowed: readonly number[]): Uint8Array {
  const steps: (readonly [code: number, jt: number, value: number])[] = [[0x20, 0, 0]];
  for (const number of allowed) steps.push([0x15, 0, number], [0x06, 0, ALLOW]);
  for (const number of numbers(DISPENSABLE)) steps.push([0x15, 0, number], [0x06, 0, EPERM]);
  steps.push([0x06, 0, KILL_PROCESS]);
  const octets = new DataView(new ArrayBuffer(8 * steps.length));
  for (const [i, [code, jt, value]] of steps.entries()) {
    octets.setUint16(8 * i, code, true);
    octets.setUint8(8 * i + 2, jt);
    // A number that is not the one goes over the step that allows.
    octets.setUint8(8 * i + 3, code === 0x15 ? 1 : 0);
    octets.setUint32(8 * i + 4, value, true);
  }
  return new Uint8Array(octets.buffer);
}

const [unit = '', program = '', ...args] = process.argv.slice(2);
const libc = koffi.load('libc.so.6');
const steps = filter(numbers(allowedBy(unit)));
const Filter = koffi.struct({ length: 'uint16_t', steps: 'void *' });
const prctl = libc.func('prctl', 'int', ['int', 'ulong', 'ulong', 'ulong', 'ulong']);
const seccomp = libc.func('syscall', 'long', ['long', 'uint', 'uint', koffi.pointer(Filter)]);
const fcntl = libc.func('int fcntl(int fd, int command, ...)');
const execv = libc.func('execv', 'int', ['str', koffi.pointer('str')]);
if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) throw new Error('prctl: refused');
const filtered = { length: steps.length / 8, steps };
if (seccomp(SYS_SECCOMP, SECCOMP_SET_MODE_FILTER, FLAG_TSYNC, filtered) !== 0)
  throw new Error('seccomp: refused');
// The runtime marks its own to be closed by an exec.
for (const fd of [0, 1, 2]) fcntl(fd, F_SETFD, 'int', 0);
execv(program, [program, ...args, null]);
throw new Error(`execv ${program}: refused`);
