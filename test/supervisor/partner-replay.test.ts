/**
 * What a recording of the partner's words is good for: hellos are answered at a rate, and announce frames are believed only
 * if they are later than what the partner says itself.
 */
import { millis, seconds, type Instant } from '@ppp-thing/protocol/time';
import { NO_SNAPSHOT, type PartnerMessage } from '@ppp-thing/protocol/session';
import { keys, configText, supervisorConfig } from '@ppp-thing/lab/system/setting';
import { HelloPace } from '@ppp-thing/supervisor/hello-pace';
import { Log } from '@ppp-thing/supervisor/log';
import { Partner } from '@ppp-thing/supervisor/partner';
import t from 'tap';
import { holderSays } from '../fixtures/partner.ts';

const KEYS = keys([1], 1);
const SESSION = 'pppoe0';
/** Of the first life's clock, milliseconds since 1970. */
const TODAY = 1_790_000_000_000;

const message = (sender: number, epoch = 42): PartnerMessage =>
  holderSays(sender, { ...NO_SNAPSHOT, epoch, holder: 2 });

const clock = { now: 0 };
let octet = 0;

interface Life {
  readonly partner: Partner;
  readonly sent: Uint8Array[];
  readonly heard: PartnerMessage[];
  receive(octets: Uint8Array): void;
}

/** One life of a router; what it sends is kept, and goes nowhere by itself. */
async function live(index: 0 | 1, wallClock = TODAY): Promise<Life> {
  const config = supervisorConfig(configText(index, { sessions: 1, ipv6: false, echoSeconds: 5 }));
  if (config.partner === undefined) throw new Error('no partner');
  const sent: Uint8Array[] = [];
  const heard: PartnerMessage[] = [];
  let receive = (_octets: Uint8Array): void => undefined;
  const partner = await Partner.open({
    ...config.partner,
    keys: KEYS,
    sessions: config.sessions.map((settings) => ({
      name: SESSION,
      timeout: seconds(3),
      settings,
    })),
    log: new Log(
      'error',
      () => undefined,
      () => 0,
    ),
    random: (length) => {
      octet += 1;
      return Uint8Array.from({ length }, (_, i) => (i < 2 ? octet >> (8 * i) : 1) & 0xff);
    },
    now: () => clock.now as Instant,
    wallClock: () => wallClock + clock.now,
    heard: (_, said) => heard.push(said),
    openUdp: async (options) => {
      receive = (octets) => options.receive(octets, 0);
      return {
        send: (octets) => void sent.push(octets),
        trouble: () => undefined,
        close: () => undefined,
      };
    },
  });
  return { partner, sent, heard, receive: (octets) => receive(octets) };
}

/** What one has sent since the last time reaches the other, both ways, until both are silent. */
function exchange(a: Life, b: Life): void {
  for (let left = 8; left > 0; left--) {
    for (const octets of a.sent.splice(0)) b.receive(octets);
    for (const octets of b.sent.splice(0)) a.receive(octets);
  }
}

/** Two that know each other. */
async function pair(ours: Life, theirs: Life, epoch?: number): Promise<void> {
  ours.partner.tell(SESSION, message(1));
  theirs.partner.tell(SESSION, message(2, epoch));
  exchange(ours, theirs);
  ours.partner.tell(SESSION, message(1));
  theirs.partner.tell(SESSION, message(2, epoch));
  exchange(ours, theirs);
}

t.test('replay › hellos of lives that are over are answered at a rate', async (t) => {
  const ours = await live(0);
  // Each life of the partner's is recorded for ten seconds: it never hears an answer.
  const recorded: Uint8Array[] = [];
  for (let life = 0; life < 40; life++) {
    const theirs = await live(1);
    for (let i = 0; i < 10; i++) theirs.partner.tell(SESSION, message(2));
    recorded.push(...theirs.sent);
  }
  ours.partner.tell(SESSION, message(1));
  ours.sent.length = 0;
  for (let round = 0; round < 6; round++) {
    for (const octets of recorded) ours.receive(octets);
    clock.now += 50;
  }
  t.ok(ours.sent.length <= 32, `${ours.sent.length} answers to ${6 * recorded.length} hellos`);

  // All of it goes on, and the partner starts.
  let spared = 0;
  for (let second = 0; second < 5; second++) {
    for (const octets of recorded) ours.receive(octets);
    clock.now += 1000;
    spared += ours.sent.splice(0).length;
  }
  t.ok(spared <= 5 * 16, `${spared} answers in 5 s`);
  for (const octets of recorded) ours.receive(octets);
  ours.sent.length = 0;
  const theirs = await live(1);
  theirs.partner.tell(SESSION, message(2));
  exchange(theirs, ours);
  t.equal(theirs.heard.length, 1, 'it is answered at once');
  t.equal(ours.heard.length, 0, 'nothing recorded was believed');
});

t.test('replay › a partner that restarts again and again is answered each time', async (t) => {
  const ours = await live(0);
  ours.partner.tell(SESSION, message(1));
  for (let life = 0; life < 200; life++) {
    const theirs = await live(1);
    theirs.partner.tell(SESSION, message(2));
    exchange(theirs, ours);
    t.equal(theirs.heard.length, 1, `life ${life}`);
    clock.now += 250;
  }
});

t.test('replay › the pace forgets the lives it answered longest ago, and no other', async (t) => {
  const pace = new HelloPace();
  const nonce = (number: number): Uint8Array =>
    Uint8Array.of(1, 0, 0, 0, 0, 0, number >> 8, number);
  const ask = (number: number, counter: number, now: number): boolean =>
    pace.mayAnswer({ nonce: nonce(number), counter: BigInt(counter) }, now as Instant);
  for (let life = 0; life < 64; life++) t.ok(ask(life, 1, life * 1000));
  t.notOk(ask(0, 1, 64_000), 'the same hello again');
  t.ok(ask(0, 2, 64_000), 'a later one');
  t.notOk(ask(0, 3, 64_000 + millis(499)), 'too soon');
  t.ok(ask(64, 1, 66_000), 'a new life');
  t.ok(ask(1, 1, 67_000), 'forgotten, and new once more');
  t.notOk(ask(0, 2, 68_000), 'answered later, and remembered');
});

t.test('replay › announce frames recorded before the partner was heard are over', async (t) => {
  const before = await live(1);
  const recorded = Array.from({ length: 50 }, () => before.partner.proof(SESSION, 42));
  clock.now += 5000;
  const ours = await live(0);
  const theirs = await live(1);
  await pair(ours, theirs);
  for (const proof of recorded) t.notOk(ours.partner.believes(SESSION, 42, proof));
  t.ok(
    ours.partner.believes(SESSION, 42, theirs.partner.proof(SESSION, 42)),
    'its next one is not',
  );
});

t.test(
  'replay › a supervisor that never heard the partner believes each once, in order',
  async (t) => {
    const theirs = await live(1);
    const recorded = Array.from({ length: 3 }, () => theirs.partner.proof(SESSION, 42));
    // The link between the routers is cut since before the start: nothing else says who holds the session.
    const ours = await live(0);
    for (const proof of recorded) t.ok(ours.partner.believes(SESSION, 42, proof));
    for (const proof of recorded) t.notOk(ours.partner.believes(SESSION, 42, proof));
  },
);

t.test('replay › a partner whose clock was set back is believed once it was heard', async (t) => {
  const ours = await live(0);
  const theirs = await live(1);
  await pair(ours, theirs);
  t.ok(ours.partner.believes(SESSION, 42, theirs.partner.proof(SESSION, 42)));
  const again = await live(1, TODAY - 86_400_000);
  t.notOk(ours.partner.believes(SESSION, 42, again.partner.proof(SESSION, 42)), 'not before');
  await pair(ours, again);
  t.ok(ours.partner.believes(SESSION, 42, again.partner.proof(SESSION, 42)));
});
