/**
 * The line's interface goes under the helper and comes back: a VLAN that is made anew, a driver that is loaded again. It
 * claims nothing of interfaces that stay, but that they are heard however small the kernel keeps BPF's buffer.
 */
import { concat } from '@ppp-thing/protocol/printable';
import t, { type Test } from 'tap';
import type { SessionVerbs } from '@ppp-thing/helper/backend';
import { be16 } from '@ppp-thing/lab/freebsd/octets';
import { LINE, Router, SESSION, noEvents, type Helper } from './world.ts';

const { mac } = SESSION;
const KEY = { sessionId: 0x1234, acMac: Uint8Array.of(2, 0, 0, 0, 0, 0xac) };
const ECHO = Uint8Array.of(9, 1, 0, 8, 0, 0, 0, 0);
const BROADCAST = new Uint8Array(6).fill(0xff);
const PADI = Uint8Array.of(0x11, 9, 0, 0, 0, 0);

/** A helper whose session is started. */
interface Started extends Helper {
  readonly verbs: SessionVerbs;
}

class Line {
  readonly router: Router;
  readonly told: string[] = [];

  static async make(): Promise<Line> {
    return new Line(await Router.make({ lag: 2 }));
  }

  constructor(router: Router) {
    this.router = router;
  }

  start(t: Test): Started {
    const helper = this.router.helper([SESSION], {
      ...noEvents(),
      pppFrame: () => void this.told.push('ppp'),
      discoveryFrame: () => void this.told.push('discovery'),
      carrier: (_session, up) => void this.told.push(`carrier ${up}`),
    });
    t.teardown(() => helper.loop.close());
    return { ...helper, verbs: helper.backend.start(SESSION) };
  }

  goes(): void {
    const { kernel } = this.router;
    kernel.removeEther(kernel.interfaces.get(LINE));
    kernel.netgraph.settle();
  }

  comesBack(): void {
    const itsMac = Uint8Array.of(0, 0x1b, 0x21, 0, 0, 1);
    this.router.kernel.addEther(LINE, itsMac, (frame) => this.router.heard.push(frame.slice()));
  }

  /** A PADO and a packet of the session, from the AC. */
  acSpeaks(): void {
    this.router.inject(concat(mac, KEY.acMac, Uint8Array.of(0x88, 0x63), PADI, new Uint8Array(40)));
    const header = Uint8Array.of(0x88, 0x64, 0x11, 0, 0x12, 0x34, 0, 10, 0xc0, 0x21);
    this.router.inject(concat(mac, KEY.acMac, header, ECHO));
  }
}

async function pass({ loop }: Helper, ms: number): Promise<void> {
  let isOver = false;
  loop.after(ms, () => (isOver = true));
  await loop.run(() => isOver);
}

t.test('freebsd › departure › the session is there again when the line is', async (t) => {
  const line = await Line.make();
  const helper = line.start(t);
  const { backend, verbs, log } = helper;
  verbs.attach(KEY, 1492);
  verbs.gate(true);
  line.goes();
  await pass(helper, 5000);
  t.strictSame(line.told, ['carrier false']);
  t.throws(() => verbs.sendDiscovery(BROADCAST, PADI), {
    message: 'discovery-send pppoe0: ENXIO: igb0 has gone',
  });
  t.strictSame(
    log.filter((each) => each.includes(LINE)),
    ['read line of pppoe0: ENXIO: igb0 has gone'],
    'said once',
  );
  line.comesBack();
  await pass(helper, 1500);
  t.equal(log.at(-1), 'igb0 is back');
  t.ok(line.router.kernel.interfaces.get(LINE).pPromisc);
  line.acSpeaks();
  await pass(helper, 10);
  t.strictSame(line.told.slice(1).sort(), ['carrier true', 'discovery', 'ppp']);
  line.router.heard.length = 0;
  verbs.sendDiscovery(BROADCAST, PADI);
  verbs.sendPpp(0xc021, ECHO);
  t.strictSame(
    line.router.heard.map((frame) => be16(frame, 12)),
    [0x8863, 0x8864],
  );
  backend.remove();
  t.strictSame(line.router.leftovers(), []);
});

t.test('freebsd › departure › a line has no carrier before it is joined', async (t) => {
  const line = await Line.make();
  const joined: boolean[] = [];
  const helper = line.router.helper([SESSION], {
    ...noEvents(),
    carrier: (_session, up) => void (up && joined.push(helper.log.includes('igb0 is back'))),
  });
  t.teardown(() => helper.loop.close());
  const verbs = helper.backend.start(SESSION);
  verbs.attach(KEY, 1492);
  line.goes();
  await pass(helper, 2500);
  t.equal(verbs.inspect().carrier, false);
  line.comesBack();
  const { interfaces, routes } = line.router.kernel;
  routes.tellLink(interfaces.get(LINE));
  t.equal(verbs.inspect().carrier, false, 'the interface has one, and the session is not on it');
  await pass(helper, 1500);
  t.strictSame(joined, [true]);
  t.equal(verbs.inspect().carrier, true);
  helper.backend.leave();
});

t.test('freebsd › departure › one that comes back at once is followed as well', async (t) => {
  const line = await Line.make();
  const helper = line.start(t);
  helper.verbs.attach(KEY, 1492);
  helper.verbs.gate(true);
  line.goes();
  line.comesBack();
  await pass(helper, 1500);
  line.acSpeaks();
  await pass(helper, 10);
  t.strictSame(line.told.sort(), ['discovery', 'ppp']);
  helper.backend.leave();
});

t.test('freebsd › departure › a helper that starts on a new interface finds its hub', async (t) => {
  const line = await Line.make();
  const first = line.start(t);
  first.verbs.attach(KEY, 1492);
  first.verbs.gate(true);
  first.backend.leave();
  line.goes();
  line.comesBack();
  const second = line.start(t);
  t.match(second.verbs.inspect(), { attached: KEY });
  second.verbs.gate(true);
  line.acSpeaks();
  await pass(second, 10);
  t.strictSame(line.told.sort(), ['discovery', 'ppp']);
  second.backend.remove();
  t.strictSame(line.router.leftovers(), []);
});

t.test('freebsd › a kernel whose largest BPF buffer is small is read all the same', async (t) => {
  const line = await Line.make();
  line.router.kernel.largestBpfBuffer = 8192;
  const helper = line.start(t);
  line.acSpeaks();
  await pass(helper, 10);
  t.strictSame(line.told, ['discovery']);
  helper.backend.remove();
});
