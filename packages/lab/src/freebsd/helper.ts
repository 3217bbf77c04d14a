/**
 * The helper's command on the kernel behind the socket that `PPP_THING_KERNEL` names. It holds nothing of the kernel, so
 * that kill -9 takes from it what it takes from a real one.
 */
import { command } from '@ppp-thing/helper/command';
import type { Libc } from '@ppp-thing/helper/libc';
import { connectLibc } from './remote.ts';

/** The machine's boot is the kernel's, not this host's: struct timeval of a 64-bit system. */
function uptime(libc: Libc): number {
  const { buffer, byteOffset } = libc.sysctl('kern.boottime', 16);
  return Date.now() / 1000 - Number(new DataView(buffer, byteOffset).getBigInt64(0, true));
}

const { PPP_THING_KERNEL: kernel } = process.env;
if (kernel === undefined) throw new Error('PPP_THING_KERNEL: missing; expected a socket');
process.exitCode = await command({ loadLibc: async () => connectLibc(kernel), uptime });
