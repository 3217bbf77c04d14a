/**
 * This release against the previous one, both ways, in octets that the previous one wrote (test/fixtures/previous-release.json):
 * what it wrote is read here, and what is written here of the same is the same, so it is read there. Where the two cannot
 * talk, they say so and nothing is believed.
 */
import { readFileSync } from 'node:fs';
import t from 'tap';
import {
  decodeHelperMessage,
  decodeReplyBody,
  decodeRequest,
  Deframer,
  encodeMessage,
  isReply,
} from '@ppp-thing/protocol/ipc/framing';
import { PROTOCOL_VERSION } from '@ppp-thing/protocol/ipc/messages';
import { NO_SNAPSHOT } from '@ppp-thing/protocol/session';
import { asPrevious } from '@ppp-thing/lab/system/previous';
import { decodeSnapshot, encodeSnapshot } from '@ppp-thing/protocol/wire/partner-snapshot';
import { decodePartner, encodePartner } from '@ppp-thing/protocol/wire/partner';
import { decodeSnapshotText, encodeSnapshotText } from '@ppp-thing/supervisor/snapshot-text';
import { HELLO, hmac, HOLDER, IPV6_ONLY, KEY, LEASE, SNAPSHOT } from '../fixtures/partner.ts';
import { octetsOf } from '../hex.ts';

interface Previous {
  readonly partner: { readonly holder: string; readonly hello: string };
  readonly state: { readonly session: string; readonly none: string };
  readonly helper: {
    readonly hello: string;
    readonly helloReply: string;
    readonly refused: string;
  };
}

const previous = JSON.parse(
  readFileSync('test/fixtures/previous-release.json', 'utf8'),
) as Previous;

t.test('partner › a datagram of the previous release is read, and ours is the same', async (t) => {
  for (const [name, { header, body }] of [
    ['holder', HOLDER],
    ['hello', HELLO],
  ] as const) {
    const octets = octetsOf(previous.partner[name]);
    const read = decodePartner(octets, () => KEY, hmac);
    t.strictSame(read, { kind: 'authentic', header, body }, name);
    t.strictSame(encodePartner(header, body, KEY, hmac), octets, name);
  }
});

t.test('partner › what is new is a section that the previous release passes over', async (t) => {
  const message = { ...HOLDER.body.message, snapshot: { ...SNAPSHOT, lease: LEASE } };
  const ours = encodePartner(HOLDER.header, { message }, KEY, hmac);
  const theirs = octetsOf(previous.partner.holder);
  // Header, status, and the Type of the snapshot; then its Length, which grows; then all that the other knows.
  const length = 56 + 5 + 1;
  t.strictSame(ours.subarray(0, length), theirs.subarray(0, length));
  const known = theirs.subarray(length + 2, theirs.length - 32);
  t.strictSame(ours.subarray(length + 2, length + 2 + known.length), known);
  t.equal(ours[length + 2 + known.length], 9, 'and then the new one');
});

t.test('partner › the simulated previous release writes its octets', async (t) => {
  const { header, body } = HOLDER;
  const snapshot = { ...SNAPSHOT, lease: LEASE };
  const ours = { message: { ...body.message, snapshot }, announced: 7n, clock: 1_700_000_000_000n };
  const keys = { active: header.keyId, byId: new Map([[header.keyId, KEY]]) };
  const octets = encodePartner(header, ours, KEY, hmac);
  t.strictSame(asPrevious(octets, keys), octetsOf(previous.partner.holder));
  octets[60] = (octets[60] ?? 0) ^ 1;
  t.strictSame(asPrevious(octets, keys), octets, 'and leaves a forged one as it is');
});

t.test(
  'partner › of a session without IPv4 the previous release is told that it needs a later reader',
  async (t) => {
    const facts = IPV6_ONLY;
    const octets = encodeSnapshot({ ...SNAPSHOT, facts });
    t.strictSame(octets.subarray(0, 2), octetsOf('0202'), 'which it says, and believes nothing');
    t.strictSame(decodeSnapshot(octets), { ...SNAPSHOT, facts });
    t.strictSame(
      encodeSnapshot(SNAPSHOT).subarray(0, 2),
      octetsOf('0101'),
      'of every other nothing is new',
    );
    const text = encodeSnapshotText('pppoe0', { ...SNAPSHOT, facts });
    t.match(text, /"schema": 2,/, 'so that it keeps the epoch of a file that it cannot read');
    t.strictSame(decodeSnapshotText('pppoe0', text), { ...SNAPSHOT, facts });
  },
);

t.test('state › a file of the previous release is read, and ours is the same', async (t) => {
  for (const [text, snapshot] of [
    [previous.state.session, SNAPSHOT],
    [previous.state.none, NO_SNAPSHOT],
  ] as const) {
    t.strictSame(decodeSnapshotText('pppoe0', text), snapshot);
    t.equal(encodeSnapshotText('pppoe0', snapshot), text);
  }
});

t.test('helper › its hello is understood, and so is its refusal of ours', async (t) => {
  const [hello] = new Deframer().push(octetsOf(previous.helper.hello));
  const request = decodeRequest(hello);
  t.strictSame(request, { id: 1, verb: 'hello', version: 1 });
  t.not(PROTOCOL_VERSION, 1, 'a helper of this release refuses it: EPROTONOSUPPORT');
  const ours = encodeMessage({ id: 1, verb: 'hello', version: PROTOCOL_VERSION });
  const same = encodeMessage({ id: 1, verb: 'hello', version: 1 });
  // The previous one wrote the number of fields in two octets, ours is in the first; each reads both.
  t.strictSame(same.subarray(5), octetsOf(previous.helper.hello).subarray(7));
  t.equal(same[4], 0x83, 'three fields');
  t.equal(ours.length, same.length, 'what it reads of ours differs in the number alone');
  const [refused] = new Deframer().push(octetsOf(previous.helper.refused));
  const reply = decodeHelperMessage(refused);
  t.ok(isReply(reply));
  t.match(reply, { failed: { code: 'EPROTONOSUPPORT', reason: 'this helper speaks 1' } });
  const [answer] = new Deframer().push(octetsOf(previous.helper.helloReply));
  const done = decodeHelperMessage(answer);
  t.ok('done' in done && decodeReplyBody('hello', done.done).sessions.length === 1);
});
