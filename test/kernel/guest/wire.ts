/**
 * A station that hears and says anything on one interface: the far end of the line, in octets. Runs in a namespace of the
 * guest; prints every frame it hears as one line of hexadecimal and sends every line it is given. Usage: node wire.js IF.
 */
import { createInterface } from 'node:readline';
import { fromHex, toHex } from '@ppp-thing/protocol/bytes';
import { loadLibc } from '@ppp-thing/helper/libc';
import { createLoop } from '@ppp-thing/helper/loop';
import { Rtnetlink } from '@ppp-thing/helper/linux/kernel';
import { packetAddress } from '@ppp-thing/helper/linux/sockets';

const ETH_P_ALL = 3;
const PACKET_OUTGOING = 4;

const libc = await loadLibc();
const loop = createLoop(
  libc,
  () => performance.now(),
  (line) => console.error(line),
);
const link = new Rtnetlink(libc).link(process.argv[2] ?? '');
if (!link) throw new Error('no such interface');
const fd = libc.socket(17, 3 | 0x800, 0);
libc.bind(fd, packetAddress(link.index, ETH_P_ALL));
loop.watch(fd, 1, () => {
  const frame = new Uint8Array(2048);
  const from = new Uint8Array(20);
  for (;;) {
    const { length } = libc.recvfrom(fd, frame, 0, from);
    if (length < 0) return;
    if (from[10] !== PACKET_OUTGOING) console.log(toHex(frame.subarray(0, length)));
  }
});
createInterface({ input: process.stdin }).on('line', (line) =>
  loop.wake(() => void libc.sendto(fd, fromHex(line) ?? new Uint8Array(), 0)),
);
console.log('ready');
await loop.run(() => false);
