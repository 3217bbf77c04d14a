/**
 * An AC that sends ten thousand control frames a second: the partner is told on time, the status answers at once, the AC
 * gets no more answers than the limit allows, and nothing piles up. The real supervisor, on a clock of the test's.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '@ppp-thing/protocol/bytes';
import { decodeRequest, Deframer, encodeMessage } from '@ppp-thing/protocol/ipc/framing';
import type { Instant } from '@ppp-thing/protocol/time';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import { parseConfig } from '@ppp-thing/supervisor/config';
import { Log } from '@ppp-thing/supervisor/log';
import type { PartnerChannel } from '@ppp-thing/supervisor/partner-channel';
import { Running } from '@ppp-thing/supervisor/running';
import { Store } from '@ppp-thing/supervisor/store';
import { thisSystem, type Stream, type System } from '@ppp-thing/supervisor/system';
import { statusJson } from '@ppp-thing/supervisor/view';
import t from 'tap';
import { SNAPSHOT } from '../fixtures/partner.ts';
import { friendly } from './script.ts';

const SECONDS = 3;
const A_SECOND = 10_000;
/** The helper's messages come in pieces as large as a socket's buffer. */
const A_TURN = 100;

const CONFIG = `
[partner]
local_address = "10.99.0.2"
address = "10.99.0.3"

[session.pppoe0]
interface = "em0"
mac = "02:00:5e:10:53:01"
user = "someone"
password = "hunter2"
carp_address = "192.168.7.1"
`;

/** Time, timers and a helper that agrees to everything. */
class World {
  time = 0;
  readonly asked: string[] = [];
  #timers: { readonly at: number; readonly wake: () => void }[] = [];
  #soon: (() => void)[] = [];
  #data: (octets: Uint8Array) => void = () => undefined;

  readonly system: System = {
    ...thisSystem,
    now: () => this.time as Instant,
    wallClock: () => 1.7e12 + this.time,
    wakeAt: (at, wake) => {
      const timer = { at, wake };
      this.#timers.push(timer);
      return () => (this.#timers = this.#timers.filter((each) => each !== timer));
    },
    soon: (run) => void this.#soon.push(run),
    random: (length) => new Uint8Array(length).fill(7),
    connect: () => this.#connect(),
  };

  get timers(): number {
    return this.#timers.length;
  }

  #connect(): Stream {
    const deframer = new Deframer();
    const say = (message: unknown): void => this.#data(encodeMessage(message));
    return {
      on: (event: string, listener: (given: never) => void) => {
        if (event === 'data') this.#data = listener as (octets: Uint8Array) => void;
        if (event === 'connect') this.#soon.push(listener as () => void);
      },
      write: (octets: Uint8Array) => {
        for (const value of deframer.push(octets)) {
          const request = decodeRequest(value);
          const { verb } = request;
          this.asked.push(verb === 'ppp-send' ? `${verb} ${toHex(request.packet)}` : verb);
          this.#soon.push(() => friendly(request).forEach(say));
        }
      },
      destroy: () => undefined,
    };
  }

  hear(octets: Uint8Array): void {
    this.#data(octets);
    this.settle();
  }

  settle(): void {
    while (this.#soon.length > 0) for (const run of this.#soon.splice(0)) run();
  }

  /** Wakes what is due, in order, as late as the turn that was just handled. */
  pass(ms: number): void {
    this.time += ms;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= this.time).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) return;
      this.#timers = this.#timers.filter((each) => each !== due);
      due.wake();
      this.settle();
    }
  }
}

const lcp = (...packet: number[]): Uint8Array =>
  encodeMessage({
    notice: 'ppp-frame',
    session: 'pppoe0',
    protocol: 0xc021,
    packet: Uint8Array.from(packet),
  });

/** Echo-Request, Discard-Request, an unknown CODE, an Echo-Request cut short, and a protocol that nobody knows. */
const STORM = [
  lcp(9, 1, 0, 8, 1, 2, 3, 4),
  lcp(11, 1, 0, 8, 1, 2, 3, 4),
  lcp(77, 1, 0, 4),
  lcp(9, 1, 0, 200, 1),
  encodeMessage({
    notice: 'ppp-frame',
    session: 'pppoe0',
    protocol: 0x80fd,
    packet: Uint8Array.of(1, 1, 0, 4),
  }),
];

t.test('storm › the partner, the status and the memory do not notice it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-storm-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const world = new World();
  const lines: string[] = [];
  const { now } = world.system;
  const log = new Log('info', (line) => lines.push(line), now);
  const store = new Store(folder, log);
  store.save('pppoe0', SNAPSHOT);
  const told: number[] = [];
  const partner: PartnerChannel = {
    tell: () => void told.push(world.time),
    counters: () => ({ datagramsIn: 0, datagramsOut: 0, datagramsRefused: {} }),
    refused: () => ({}),
    proof: () => NO_PROOF,
    believes: () => false,
    differs: () => undefined,
    clockOffset: () => undefined,
    trouble: () => undefined,
    close: () => undefined,
  };
  const config = parseConfig(CONFIG, 'test.conf', () => '');
  const { system } = world;
  const running = new Running({ config, version: '0.0.0', log, store, partner, system });
  running.start();
  world.settle();
  world.hear(encodeMessage({ notice: 'role', session: 'pppoe0', role: 'MASTER', gateOpen: true }));
  // A router that starts waits for its partner's word first.
  world.pass(15_000);
  const view = () => running.session('pppoe0');
  t.equal(view()?.status.state, 'Holding');
  // The AC answers the Echo-Request of the takeover.
  const echo = world.asked.filter((each) => each.startsWith('ppp-send 09')).at(-1) ?? '';
  const identifier = Number.parseInt(echo.slice(11, 13), 16);
  world.hear(lcp(10, identifier, 0, 8, 1, 2, 3, 4));
  world.pass(500);

  const piece = Buffer.concat(
    Array.from({ length: A_TURN }, (_, i) => STORM[i % STORM.length] ?? new Uint8Array(0)),
  );
  const before = { lines: lines.length, asked: world.asked.length, timers: world.timers };
  told.length = 0;
  const from = world.time;
  for (let frames = 0; frames < A_SECOND * SECONDS; frames += A_TURN) {
    world.hear(piece);
    world.pass((1000 * A_TURN) / A_SECOND);
  }
  const gaps = [from, ...told].map((at, i) => (told[i] ?? world.time) - at);
  t.ok(told.length >= SECONDS, `the partner was told ${told.length} times`);
  t.ok(Math.max(...gaps) <= 1010, `it waited ${Math.max(...gaps)} ms at most`);
  t.equal(view()?.status.state, 'Holding');
  t.equal(view()?.counters.framesIn, A_SECOND * SECONDS * 0.8 + 1, 'those that can be read');
  t.equal(view()?.counters.framesMalformed, A_SECOND * SECONDS * 0.2);
  t.ok(JSON.stringify(statusJson(running)).includes('pppoe0'));
  const answers = world.asked.length - before.asked;
  t.ok(answers <= 200 * (SECONDS + 2) + 2 * SECONDS, `${answers} requests`);
  t.ok(world.timers <= before.timers + 1, `${world.timers} timers, before ${before.timers}`);
  const said = lines.length - before.lines;
  t.ok(said <= 100 * SECONDS, `${said} lines`);
  running.stop();
});
