/**
 * The helper's command on a kernel that is elsewhere: what the helper's own `main.ts` does, with a remote `Libc` and the
 * FreeBSD backend. It holds nothing of the kernel, so that kill -9 takes from it what it takes from a real one.
 */
import { parseArgs } from 'node:util';
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import { readPolicyFile } from '@ppp-thing/helper/policy-file';
import { serve } from '@ppp-thing/helper/serve';
import { connectLibc } from './remote.ts';

const log = (line: string): void => void process.stdout.write(`helper: ${line}\n`);

const { config, kernel } = parseArgs({
  options: { config: { type: 'string' }, kernel: { type: 'string' } },
}).values;
if (config === undefined || kernel === undefined)
  throw new Error('usage: helper.js --config FILE --kernel SOCKET');

const libc = await connectLibc(kernel);
const uid = process.getuid?.() ?? 0;
const { platform } = libc;
const policy = readPolicyFile(config, { platform, uid });
/** struct timeval of a 64-bit system: the machine's boot is the kernel's, not this host's. */
const boottime = libc.sysctl('kern.boottime', 16);
const bootedAt = Number(new DataView(boottime.buffer, boottime.byteOffset).getBigInt64(0, true));
const serving = serve({
  libc,
  policy,
  makeBackend: (context) => new FreebsdBackend(context),
  uid,
  log,
  uptime: () => Date.now() / 1000 - bootedAt,
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => serving.stop());
log(`serve ${policy.socketPath}: backend freebsd, pid ${process.pid}`);
await serving.stopped;
