import t from 'tap';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readCapture, readEdges } from '@ppp-thing/lab/kernel/capture';
import { missingPrograms } from '@ppp-thing/lab/kernel/uml';
import { hex } from '../hex.ts';

const missing = await missingPrograms(['tshark']);
const skip = missing.length > 0 && 'tshark is not installed';
const OURS = '02:00:5e:10:53:01';

/** A classic pcap file: header, then the frames, so many milliseconds apart. */
function pcap(frames: readonly Uint8Array[], apart = 1000): Buffer {
  const header = Buffer.alloc(24);
  for (const [at, value] of [0xa1b2c3d4, 0x0004_0002, 0, 0, 65535, 1].entries())
    header.writeUInt32LE(value, at * 4);
  const records = frames.flatMap((frame, i) => {
    const record = Buffer.alloc(16);
    const [second, rest] = [Math.floor((i * apart) / 1000), (i * apart) % 1000];
    for (const [at, value] of [second, rest * 1000, frame.length, frame.length].entries())
      record.writeUInt32LE(value, at * 4);
    return [record, frame];
  });
  return Buffer.concat([header, ...records]);
}

const PADI = hex`ffffffffffff 02005e105301 8863  11 09 0000 0004  0101 0000`;
const PADT = hex`0200000000ac 02005e105301 8863  11 a7 0002 0000`;
const OTHERS_PADT = hex`0200000000ac 0200000000bb 8863  11 a7 0003 0000`;
/** IPCP Configure-Ack, from us and from the AC. */
const ACK = hex`0200000000ac 02005e105301 8864  11 00 0002 000c  8021  02 01 000a  0306 0a430f01`;
const ACS_ACK = hex`02005e105301 0200000000ac 8864  11 00 0002 000c  8021  02 01 000a  0306 0a430f01`;
/** An LCP option whose Length runs past the packet. */
const OVERRUN = hex`0200000000ac 02005e105301 8864  11 00 0002 000c  c021  01 01 000a  01 ff 05d4 0506`;
const OTHERS_OVERRUN = hex`02005e105301 0200000000ac 8864  11 00 0002 000c  c021  01 01 000a  01 ff 05d4 0506`;

t.test('capture › what we sent is told from what others sent', { skip }, async (t) => {
  const path = join(t.testdir(), 'line.pcap');
  const frames = [PADI, ACK, ACS_ACK, PADT, OTHERS_PADT, OVERRUN, OTHERS_OVERRUN];
  await writeFile(path, pcap(frames));
  t.same(await readCapture(path, OURS), {
    frames: frames.length,
    malformed: 1,
    padt: 1,
    padi: 1,
    sessionIds: [2],
    dialMs: { [OURS]: 2000 },
  });
});

t.test('capture › a sound one has nothing malformed', { skip }, async (t) => {
  const path = join(t.testdir(), 'line.pcap');
  await writeFile(path, pcap([PADI, ACK]));
  t.match(await readCapture(path, OURS), { malformed: 0, padt: 0, dialMs: {} });
});

/** VRRPv3 from .2 (priority 50) and from .3 (100); a gratuitous ARP for .1. */
const ADVERTISEMENT_2 = hex`01005e000012 020000000002 0800  45 c0 0020 0000 0000 ff 70 0000 c0a80702 e0000012  31 33 32 01 000a 0000 c0a80701`;
const ADVERTISEMENT_3 = hex`01005e000012 020000000003 0800  45 c0 0020 0000 0000 ff 70 0000 c0a80703 e0000012  31 33 64 01 000a 0000 c0a80701`;
const ARP = hex`ffffffffffff 020000000003 0806  0001 0800 06 04 0001 020000000003 c0a80701 000000000000 c0a80701`;
const ANNOUNCE = hex`ffffffffffff 02005e105301 8035  0001`;
const ECHO_REQUEST = hex`0200000000ac 02005e105301 8864  11 00 0002 000a  c021  09 01 0008  00000001`;
const ECHO_REPLY = hex`02005e105301 0200000000ac 8864  11 00 0002 000a  c021  0a 01 0008  00000002`;

t.test('capture › what follows the first advertisement of a new MASTER', { skip }, async (t) => {
  const directory = t.testdir();
  const [lan, line] = [join(directory, 'lan.pcap'), join(directory, 'line.pcap')];
  await writeFile(lan, pcap([ADVERTISEMENT_2, ADVERTISEMENT_3, ADVERTISEMENT_3, ARP], 10));
  const quiet = [PADI, PADI, PADI, PADI];
  await writeFile(line, pcap([...quiet, ANNOUNCE, ECHO_REQUEST, ECHO_REPLY], 10));
  const times = { arp: 20, announce: 30, echoRequest: 40, echoReply: 50 };
  t.same(await readEdges(lan, line, OURS), [{ from: '192.168.7.3', sinceLast: 10, ...times }]);
});
