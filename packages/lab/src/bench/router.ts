/**
 * One router's helper and its kernel in one process, for the bench with many lines: the real helper on a FreeBSD kernel in
 * octets. Frames and CARP's role come from the bench by a Unix socket, and frames go back by it.
 *
 * Usage: node router.js --config FILE --world SOCKET --lines N
 */
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import { readPolicyFile } from '@ppp-thing/helper/policy-file';
import { serve } from '@ppp-thing/helper/serve';
import { FakeProcess } from '../freebsd/process.ts';
import { RealSystem } from '../freebsd/real.ts';
import { lineName, makeKernel, Pieces, piece, ROLES, VHID } from './wire.ts';

const { config, world, lines } = parseArgs({
  options: { config: { type: 'string' }, world: { type: 'string' }, lines: { type: 'string' } },
}).values;
if (config === undefined || world === undefined || lines === undefined)
  throw new Error('usage: router.js --config FILE --world SOCKET --lines N');

const socket = connect(world);
const kernel = makeKernel();
const cables = Array.from({ length: Number(lines) }, (_, i) =>
  kernel.addEther(lineName(i), Uint8Array.of(0, 0, 0x5e, 0x53, i >> 8, i & 0xff), (frame) =>
    socket.write(piece(i, frame)),
  ),
);
const pieces = new Pieces();
socket.on('data', (chunk) => {
  for (const { to, octets } of pieces.push(chunk)) {
    if (to < cables.length) cables[to]?.receive(octets);
    else kernel.carp.set(VHID, ROLES[octets[0] ?? 0] ?? 'INIT');
  }
});
socket.on('close', () => process.exit(0));

const process_ = new FakeProcess(kernel, { real: await RealSystem.load() });
const uid = process.getuid?.() ?? 0;
const serving = serve({
  libc: process_.libc,
  policy: readPolicyFile(config, { platform: 'freebsd', uid }),
  makeBackend: (context) => new FreebsdBackend(context),
  uid,
  log: (line) => void process.stdout.write(`helper: ${line}\n`),
});
await serving.stopped;
