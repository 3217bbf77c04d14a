/**
 * An Access Concentrator whose first Configure-Request follows its PADS at once: the lab's own, on a real interface. It runs
 * in a namespace of the guest and writes the lines by which `ac.ts` knows what pppd did, to the same log.
 *
 * Usage: node prompt-ac.js INTERFACE LOG USER PASSWORD
 */
import { appendFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { loadLibc } from '@ppp-thing/helper/libc';
import { createLoop } from '@ppp-thing/helper/loop';
import { Rtnetlink } from '@ppp-thing/helper/linux/kernel';
import { PacketSocket } from '@ppp-thing/helper/linux/sockets';
import { millis } from '@ppp-thing/protocol/time';
import { ETHERTYPE } from '@ppp-thing/protocol/wire/ethernet';
import { systemHashes } from '@ppp-thing/supervisor/hashes';
import { Queue, Runner } from '../demo/clock.ts';
import { AccessConcentrator, type AcEvent, type AcOutput } from '../line/ac.ts';
import { ORDINARY, PATIENT } from '../line/ac-config.ts';

const [name = '', log = '', user = '', password = ''] = process.argv.slice(2);
const libc = await loadLibc();
const link = new Rtnetlink(libc).link(name);
if (!link) throw new Error(`${name}: no such interface`);
const loop = createLoop(
  libc,
  () => performance.now(),
  (line) => console.error(line),
);
const ac = new AccessConcentrator({
  ...ORDINARY,
  mac: link.mac,
  name: 'promptac',
  passwords: new Map([[user, password]]),
  address: Uint8Array.of(10, 67, 0, 1),
  pool: [Uint8Array.of(10, 67, 15, 1), Uint8Array.of(10, 67, 15, 2)],
  dns: [Uint8Array.of(10, 9, 9, 9)],
  echo: { interval: millis(1000), failures: 60, dataCheck: false },
  pppDelay: millis(0),
  hashes: systemHashes,
  random: (length) => new Uint8Array(randomBytes(length)),
  temper: { ...PATIENT, second: 'replace' },
});
const say = (line: string): void => appendFileSync(log, `${line}\n`);
const SAID: Partial<Record<AcOutput['kind'], string>> = {
  dial: 'Connect: session',
  up: 'remote IP address',
  closed: 'Connection terminated',
};
const sockets = [ETHERTYPE.PPPOE_DISCOVERY, ETHERTYPE.PPPOE_SESSION].map(
  (etherType) => new PacketSocket(libc, link.index, etherType),
);
const runner = new Runner<AcEvent, AcOutput>(ac, new Queue(), (output) => {
  const said = SAID[output.kind];
  if (said !== undefined) say(said);
  if (output.kind === 'send') sockets[0]?.send(output.frame);
});
for (const socket of sockets)
  loop.watch(socket.fd, 1, () => socket.read((frame) => runner.feed({ kind: 'frame', frame })));
console.log('ready');
await loop.run(() => false);
