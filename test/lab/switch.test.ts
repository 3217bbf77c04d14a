/** The line's switch: what it floods, what it learns, and what it forgets. */
import t from 'tap';
import type { Instant } from '@ppp-thing/protocol/time';
import { BROADCAST, encodeEthernet, parseMac } from '@ppp-thing/protocol/wire/ethernet';
import { AGEING, LearningSwitch, type SwitchOutput } from '@ppp-thing/lab/line/switch';

const PORTS = ['r1', 'r2', 'ac'];
const SESSION = mac('02:00:5e:10:53:01');
const AC = mac('02:00:00:00:00:ac');
const at = (ms: number): Instant => ms as Instant;

function mac(text: string): Uint8Array {
  const octets = parseMac(text);
  if (octets === undefined) throw new Error(text);
  return octets;
}

const frame = (source: Uint8Array, destination: Uint8Array): Uint8Array =>
  encodeEthernet({ source, destination, etherType: 0x8864, payload: new Uint8Array(46) });

const ports = (outputs: readonly SwitchOutput[]): string[] =>
  outputs.flatMap((output) => (output.kind === 'send' ? [output.port] : []));

t.test('a frame to a station not yet heard goes to every other port', async (t) => {
  const line = new LearningSwitch(PORTS);
  const outputs = line.handle({ kind: 'frame', port: 'r1', frame: frame(SESSION, AC) }, at(0));
  t.same(ports(outputs), ['r2', 'ac']);
});

t.test('a frame to a station that was heard goes to its port alone', async (t) => {
  const line = new LearningSwitch(PORTS);
  line.handle({ kind: 'frame', port: 'r1', frame: frame(SESSION, BROADCAST) }, at(0));
  const outputs = line.handle({ kind: 'frame', port: 'ac', frame: frame(AC, SESSION) }, at(1));
  t.same(ports(outputs), ['r1']);
});

t.test('a frame to a station behind the port it came from goes nowhere', async (t) => {
  const line = new LearningSwitch(PORTS);
  line.handle({ kind: 'frame', port: 'r1', frame: frame(SESSION, BROADCAST) }, at(0));
  const outputs = line.handle({ kind: 'frame', port: 'r1', frame: frame(AC, SESSION) }, at(1));
  t.same(ports(outputs), []);
});

t.test('one broadcast from another port moves a station, and is reported', async (t) => {
  const line = new LearningSwitch(PORTS);
  line.handle({ kind: 'frame', port: 'r1', frame: frame(SESSION, BROADCAST) }, at(0));
  const [moved] = line.handle(
    { kind: 'frame', port: 'r2', frame: frame(SESSION, BROADCAST) },
    at(1),
  );
  t.same(moved, { kind: 'moved', mac: '02:00:5e:10:53:01', from: 'r1', to: 'r2' });
  const outputs = line.handle({ kind: 'frame', port: 'ac', frame: frame(AC, SESSION) }, at(2));
  t.same(ports(outputs), ['r2']);
});

t.test(
  'a port without link neither sends nor receives, and its stations are forgotten',
  async (t) => {
    const line = new LearningSwitch(PORTS);
    line.handle({ kind: 'frame', port: 'r1', frame: frame(SESSION, BROADCAST) }, at(0));
    line.handle({ kind: 'link', port: 'r1', up: false }, at(1));
    t.equal(line.portOf(SESSION), undefined);
    t.same(ports(line.handle({ kind: 'frame', port: 'r1', frame: frame(SESSION, AC) }, at(2))), []);
    t.same(ports(line.handle({ kind: 'frame', port: 'ac', frame: frame(AC, SESSION) }, at(3))), [
      'r2',
    ]);
  },
);

t.test('a station that is silent for five minutes is forgotten', async (t) => {
  const line = new LearningSwitch(PORTS);
  line.handle({ kind: 'frame', port: 'r1', frame: frame(SESSION, BROADCAST) }, at(0));
  t.equal(line.deadline(), AGEING);
  const before = line.handle({ kind: 'frame', port: 'ac', frame: frame(AC, SESSION) }, at(299_999));
  t.same(ports(before), ['r1']);
  line.handle({ kind: 'deadline' }, at(300_000));
  t.equal(line.portOf(SESSION), undefined);
});
