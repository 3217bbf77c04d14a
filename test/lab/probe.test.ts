/** The probe's account of what was lost, and the witness's of who spoke when it should not have. */
import t from 'tap';
import { Probe } from '@ppp-thing/lab/line/probe';
import { Witness } from '@ppp-thing/lab/line/witness';
import { millis, type Instant } from '@ppp-thing/protocol/time';
import { encodeAnnounce, encodeEthernet } from '@ppp-thing/protocol/wire/ethernet';
import { encodeDiscovery, encodeSession } from '@ppp-thing/protocol/wire/pppoe';
import { AC_MAC, SESSION_MAC } from './addresses.ts';

const at = (ms: number): Instant => ms as Instant;

/** A probe every 10 ms for `ms`, answered except between `from` and `to`. */
function probed(ms: number, from: number, to: number): Probe {
  const probe = new Probe(millis(10));
  let pings = probe.handle({ kind: 'start' }, at(0));
  for (let now = 0; ;) {
    for (const { sequence } of pings)
      if (now < from || now >= to) probe.handle({ kind: 'pong', sequence }, at(now));
    now = probe.deadline() ?? Infinity;
    if (now >= ms) return probe;
    pings = probe.handle({ kind: 'deadline' }, at(now));
  }
}

t.test('a probe counts what was sent and lost within a span, and the longest outage', async (t) => {
  const probe = probed(1000, 300, 350);
  t.same(probe.account(at(0), at(1000)), { sent: 100, lost: 5, outageMs: 50 });
  t.same(probe.account(at(0), at(300)), { sent: 30, lost: 0, outageMs: 0 });
});

t.test('a probe that is called late does not make up for what it missed', async (t) => {
  const probe = new Probe(millis(10));
  probe.handle({ kind: 'start' }, at(0));
  t.equal(probe.handle({ kind: 'deadline' }, at(5)).length, 0, 'early');
  t.equal(probe.handle({ kind: 'deadline' }, at(57)).length, 1);
  t.equal(probe.deadline(), 67);
});

t.test('a probe that was stopped asks for nothing', async (t) => {
  const probe = new Probe(millis(10));
  probe.handle({ kind: 'start' }, at(0));
  probe.handle({ kind: 'stop' }, at(5));
  t.equal(probe.deadline(), undefined);
});

const sessionFrame = encodeEthernet({
  source: SESSION_MAC,
  destination: AC_MAC,
  etherType: 0x8864,
  payload: encodeSession({ sessionId: 1, protocol: 0xc021, packet: new Uint8Array(8) }),
});
const padt = encodeEthernet({
  source: SESSION_MAC,
  destination: AC_MAC,
  etherType: 0x8863,
  payload: encodeDiscovery({ code: 'PADT', sessionId: 1, tags: [] }),
});

t.test('a router that is MASTER may speak', async (t) => {
  const witness = new Witness(millis(50));
  witness.handle({ kind: 'role', port: 'r1', role: 'MASTER' }, at(0));
  for (const frame of [sessionFrame, padt, encodeAnnounce({ mac: SESSION_MAC, epoch: 1 })])
    t.same(witness.handle({ kind: 'frame', port: 'r1', frame }, at(1)), []);
});

t.test('any frame of a router that is not MASTER is told of', async (t) => {
  const witness = new Witness(millis(50));
  witness.handle({ kind: 'role', port: 'r2', role: 'BACKUP' }, at(0));
  for (const frame of [sessionFrame, padt, encodeAnnounce({ mac: SESSION_MAC, epoch: 1 })])
    t.match(witness.handle({ kind: 'frame', port: 'r2', frame }, at(1)), [{ kind: 'violation' }]);
});

t.test('a router that has just left MASTER has the grace it was given, and no more', async (t) => {
  const witness = new Witness(millis(50));
  witness.handle({ kind: 'role', port: 'r1', role: 'MASTER' }, at(0));
  witness.handle({ kind: 'role', port: 'r1', role: 'BACKUP' }, at(100));
  const speak = (now: number): number =>
    witness.handle({ kind: 'frame', port: 'r1', frame: sessionFrame }, at(now)).length;
  t.same([speak(150), speak(151)], [0, 1]);
});

t.test('PADTs are counted, and the time for which both gates are open', async (t) => {
  const witness = new Witness(millis(50));
  witness.handle({ kind: 'role', port: 'r1', role: 'MASTER' }, at(0));
  witness.handle({ kind: 'frame', port: 'r1', frame: padt }, at(1));
  t.equal(witness.padts, 1);
  witness.handle({ kind: 'gate', port: 'r1', open: true }, at(10));
  witness.handle({ kind: 'gate', port: 'r2', open: true }, at(20));
  t.equal(witness.overlap(at(25)), 5, 'while it lasts');
  witness.handle({ kind: 'gate', port: 'r1', open: false }, at(30));
  t.equal(witness.overlap(at(1000)), 10);
});
