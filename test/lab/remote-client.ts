/**
 * A process with a remote `Libc`: says as JSON what its calls gave, or holds descriptors until it is killed. It judges
 * nothing; `remote.test.ts` does.
 */
import { SystemError, type Libc } from '@ppp-thing/helper/libc';
import { POLLIN, setNonblocking } from '@ppp-thing/helper/unix';
import { at, c } from '@ppp-thing/lab/freebsd/abi';
import { connectLibc } from '@ppp-thing/lab/freebsd/remote';

const LARGE = 70_000;
const BUFFER = 16_384;

function refused(run: () => void): SystemError {
  try {
    run();
  } catch (error) {
    if (error instanceof SystemError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

/** More than one message of a pipe holds is written, with a reader that comes for it. */
function carry(libc: Libc, from: number, to: number): { length: number; last: number } {
  const octets = Uint8Array.from({ length: LARGE }, (_, i) => i % 251);
  const arrived: number[] = [];
  const into = new Uint8Array(LARGE);
  for (let sent = 0; arrived.length < LARGE;) {
    sent += Math.max(0, libc.write(to, octets.subarray(sent)));
    const length = libc.read(from, into);
    arrived.push(...into.subarray(0, Math.max(0, length)));
  }
  return { length: arrived.length, last: arrived.at(-1) ?? -1 };
}

async function calls(libc: Libc): Promise<unknown> {
  const boottime = libc.sysctl('kern.boottime', 16);
  const inet = libc.socket(c('AF_INET'), c('SOCK_DGRAM'), 0);
  const ifreq = new Uint8Array(at('ifreq', 'size'));
  const missing = refused(() => libc.ioctl(inet, c('SIOCGIFFLAGS'), ifreq));
  const [from, to] = libc.pipe();
  for (const fd of [from, to]) setNonblocking(libc, fd);
  const unread = libc.read(from, new Uint8Array(8));
  const entry = { fd: from, events: POLLIN, revents: 0 };
  const idle = await libc.poll([entry], 5);
  const polled = libc.poll([entry], 10_000);
  libc.write(to, Uint8Array.of(0));
  const ready = { found: await polled, revents: entry.revents };
  libc.read(from, new Uint8Array(1));
  const bpf = libc.open('/dev/bpf', 2);
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, BUFFER, true);
  libc.ioctl(bpf, c('BIOCSBLEN'), size);
  const answered = new Uint8Array(4);
  libc.ioctl(bpf, c('BIOCGBLEN'), answered);
  // A program in another buffer, which the argument points to: one instruction that no program has.
  const program = new Uint8Array(at('bpf_program', 'size'));
  program[at('bpf_program', 'bf_len')] = 1;
  const instruction = new Uint8Array(at('bpf_insn', 'size')).fill(0xff);
  const pointers = [{ at: at('bpf_program', 'bf_insns'), to: instruction }];
  return {
    platform: libc.platform,
    bootedAt: Number(new DataView(boottime.buffer, boottime.byteOffset).getBigInt64(0, true)),
    missing: { call: missing.call, code: missing.code, errno: missing.errno },
    unread,
    idle,
    ready,
    read: carry(libc, from, to),
    bpfBuffer: new DataView(answered.buffer).getUint32(0, true),
    programRefused: refused(() => libc.ioctl(bpf, c('BIOCSETFNR'), program, pointers)).code,
  };
}

async function hold(libc: Libc): Promise<never> {
  for (const module of ['ng_socket', 'ng_ether']) libc.kldload(module);
  libc.open('/dev/bpf', 2);
  libc.socket(c('AF_NETGRAPH'), c('SOCK_DGRAM'), c('NG_CONTROL'));
  process.stdout.write('holding\n');
  for (;;) await libc.poll([], 60_000);
}

/** Four ends of pipes, of which two are left open. */
async function pipes(libc: Libc): Promise<unknown> {
  const [from, to] = libc.pipe();
  const closed = libc.pipe();
  for (const fd of closed) libc.close(fd);
  libc.write(to, Uint8Array.of(7, 8, 9));
  await libc.poll([{ fd: from, events: POLLIN, revents: 0 }], 10_000);
  const into = new Uint8Array(8);
  const length = libc.read(from, into);
  const { code } = refused(() => libc.read(closed[0], into));
  return { read: [...into.subarray(0, length)], refused: code };
}

const [, , path = '', what] = process.argv;
const libc = await connectLibc(path);
if (what === 'hold') await hold(libc);
const found = what === 'pipes' ? await pipes(libc) : await calls(libc);
process.stdout.write(`${JSON.stringify(found)}\n`);
process.exit(0);
