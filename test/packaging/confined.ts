/**
 * Runs a program under the system calls and address families that a unit of ours allows, as systemd would: `confined.js UNIT PROGRAM ARGS…`.
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
const EAFNOSUPPORT = 0x0005_0061;
const FAMILIES: Readonly<Record<string, number>> = {
  AF_UNIX: 1,
  AF_INET: 2,
  AF_INET6: 10,
  AF_NETLINK: 16,
  AF_PACKET: 17,
  AF_PPPOX: 24,
};
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

/** By number, those of RestrictAddressFamilies=. */
function familiesOf(unit: string): number[] {
  const [, names = ''] = /^RestrictAddressFamilies=(.*)$/m.exec(readFileSync(unit, 'utf8')) ?? [];
  return names.split(' ').map((name) => {
    const number = FAMILIES[name];
    if (number === undefined) throw new Error(`RestrictAddressFamilies: ${name} is unknown here`);
    return number;
  });
}

/** One instruction of struct sock_filter: u16 code, u8 jt, u8 jf, u32 k; it jumps over `unless` steps if unequal. */
interface Step {
  readonly code: number;
  readonly value: number;
  readonly unless?: number;
}

const NUMBER_AT = 0;
const FIRST_ARGUMENT_AT = 16;
const load = (at: number): Step => ({ code: 0x20, value: at });
const giveBack = (value: number): Step => ({ code: 0x06, value });
const onlyIf = (value: number, steps: readonly Step[]): Step[] => [
  { code: 0x15, value, unless: steps.length },
  ...steps,
];

/** A socket of another family is refused as systemd does; a call that is not allowed ends the program. */
function filter(allowed: readonly number[], families: readonly number[]): Uint8Array {
  const steps: Step[] = [
    load(NUMBER_AT),
    ...numbers(new Set(['socket'])).flatMap((socket) =>
      onlyIf(socket, [
        load(FIRST_ARGUMENT_AT),
        ...families.flatMap((family) => onlyIf(family, [giveBack(ALLOW)])),
        giveBack(EAFNOSUPPORT),
      ]),
    ),
    ...allowed.flatMap((number) => onlyIf(number, [giveBack(ALLOW)])),
    ...numbers(DISPENSABLE).flatMap((number) => onlyIf(number, [giveBack(EPERM)])),
    giveBack(KILL_PROCESS),
  ];
  const octets = new DataView(new ArrayBuffer(8 * steps.length));
  for (const [i, { code, value, unless = 0 }] of steps.entries()) {
    octets.setUint16(8 * i, code, true);
    octets.setUint8(8 * i + 3, unless);
    octets.setUint32(8 * i + 4, value, true);
  }
  return new Uint8Array(octets.buffer);
}

const [unit = '', program = '', ...args] = process.argv.slice(2);
const libc = koffi.load('libc.so.6');
const steps = filter(numbers(allowedBy(unit)), familiesOf(unit));
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
