/** What is kept of a session between its PADR and its gate. */
import t from 'tap';
import { EarlyFrames } from '@ppp-thing/helper/early-frames';
import { hex } from '../hex.ts';

const AC = Uint8Array.of(2, 0, 0, 0, 0, 0xac);
const KEY = { sessionId: 0x1234, acMac: AC };
/** LCP Configure-Request 1 in session 0x1234, padded as Ethernet pads. */
const REQUEST = hex`02005e105301 0200000000ac 8864  11 00 1234 0006  c021  01 01 0004  0000 0000`;
const PACKET = { protocol: 0xc021, packet: Uint8Array.of(1, 1, 0, 4) };

function kept(frame: Uint8Array): readonly unknown[] {
  const early = new EarlyFrames();
  early.keep(AC);
  early.add(frame);
  return early.take(KEY);
}

t.test('early frames › a control packet of the session is kept, without its padding', async (t) => {
  t.strictSame(kept(REQUEST), [PACKET]);
});

t.test('early frames › nothing else is', async (t) => {
  const put = (at: number, ...octets: number[]): Uint8Array => {
    const frame = REQUEST.slice();
    frame.set(octets, at);
    return frame;
  };
  t.strictSame(kept(put(6, 2, 0, 0, 0, 0, 0xbb)), [], 'another station’s');
  t.strictSame(kept(put(16, 0x43, 0x21)), [], 'another session’s');
  t.strictSame(kept(put(12, 0x88, 0x63)), [], 'a discovery frame');
  t.strictSame(kept(put(14, 0x12)), [], 'another version');
  t.strictSame(kept(put(15, 0x09)), [], 'another code');
  t.strictSame(kept(put(20, 0x00, 0x21)), [], 'data');
  t.strictSame(kept(put(18, 0xff, 0xff)), [], 'a length beyond the frame');
  t.strictSame(kept(put(18, 0, 1)), [], 'a length without a protocol');
  for (let length = 0; length < 22; length++) t.strictSame(kept(REQUEST.subarray(0, length)), []);
});

t.test('early frames › few, once, and only from the PADR on', async (t) => {
  const early = new EarlyFrames();
  early.add(REQUEST);
  t.strictSame(early.take(KEY), [], 'before it');
  early.keep(AC);
  for (let i = 0; i < 1000; i++) early.add(REQUEST);
  t.equal(early.take(KEY).length, 16);
  early.add(REQUEST);
  t.strictSame(early.take(KEY), [], 'after it');
  t.notOk(early.isKeeping);
});
