/**
 * The line of the whole system: two routers and the Access Concentrator on one learning switch, with what can go wrong
 * between them. It reads no frame, and judges nothing.
 */
import { millis, type Instant } from '@ppp-thing/protocol/time';
import { systemHashes } from '@ppp-thing/supervisor/hashes';
import type { Temper } from '../campaign/ac.ts';
import type { RouterIndex } from '../campaign/faults.ts';
import type { Way } from '../campaign/line.ts';
import type { Chance } from '../campaign/random.ts';
import type { Schedule } from '../campaign/schedule.ts';
import { AccessConcentrator, type AcEvent, type AcOutput } from '../line/ac.ts';
import { PATIENT, RESTART } from '../line/ac-config.ts';
import { LearningSwitch } from '../line/switch.ts';
import type { SystemPlan } from './plan.ts';
import { AC_MAC, PASSWORD, sessionMac, USER } from './setting.ts';

const PORTS = ['r0', 'r1', 'ac'] as const;
type Port = (typeof PORTS)[number];
const ADDRESSES = Array.from({ length: 6 }, (_, i) => Uint8Array.of(203, 0, 113, 7 + i));

/** Of the AC's own end. */
const addressOf = (unnumbered: Temper['unnumbered']): Uint8Array | undefined => {
  if (unnumbered === true) return undefined;
  return unnumbered === 'ours' ? ADDRESSES[0] : Uint8Array.of(100, 64, 0, 1);
};

interface LineWorld {
  readonly plan: SystemPlan;
  readonly schedule: Schedule;
  readonly chance: Chance;
  note(line: string): void;
  /** A frame has come to a router's end of the line. */
  arrived(index: RouterIndex, frame: Uint8Array): void;
  /** The AC's ping was answered on this session. */
  carried(sessionId: number): void;
  /** A router has broken the protocol, as the AC sees it. */
  accused(text: string): void;
}

export class OctetLine {
  readonly up: [boolean, boolean] = [true, true];
  readonly lost = [new Set<Way>(), new Set<Way>()] as const;
  loss = 0;
  acLateMs = 0;
  underWay = 0;
  /** Frames have been lost or late: then a client may look as if it broke the protocol. */
  wasBad = false;
  readonly #world: LineWorld;
  readonly #switch = new LearningSwitch(PORTS);
  readonly #ac: AccessConcentrator;
  /** When the last frame of each port arrives. */
  readonly #last = { r0: 0, r1: 0, ac: 0 };
  #acAt = Infinity;

  constructor(world: LineWorld) {
    this.#world = world;
    const { plan, chance } = world;
    const { temper } = plan;
    this.#ac = new AccessConcentrator({
      mac: AC_MAC,
      name: 'bras1',
      services: [''],
      auth: 'CHAP-MD5',
      passwords: new Map([[USER, PASSWORD]]),
      address: addressOf(temper.unnumbered),
      pool: ADDRESSES,
      dns: [Uint8Array.of(192, 0, 2, 53)],
      ipv6: plan.ipv6,
      maxPayload: 1492,
      echo: {
        interval: millis(temper.echoMs),
        failures: temper.echoLimit,
        dataCheck: temper.dataCheck,
      },
      pppDelay: millis(100),
      restart: RESTART,
      hashes: systemHashes,
      random: (length) => chance.octets(length),
      temper: {
        ...PATIENT,
        second: plan.sessions > 1 && temper.second === 'deny' ? 'allow' : temper.second,
        lockoutMs: temper.lockoutMs,
        slowMs: temper.slowMs,
      },
    });
  }

  /** The SESSION_ID that the AC has for a session now. */
  live(session: number): number | undefined {
    return this.#ac.liveSession(sessionMac(session));
  }

  reaches(index: RouterIndex, way: Way): boolean {
    return this.up[index] && !this.lost[index].has(way);
  }

  /** A router sends a frame. */
  transmit(index: RouterIndex, frame: Uint8Array): void {
    if (!this.reaches(index, 'out') || this.#world.chance.is(this.loss)) return;
    this.#carry(index === 0 ? 'r0' : 'r1', frame, 0);
  }

  /** Put a frame before a router, whoever sent it. */
  deliver(index: RouterIndex, frame: Uint8Array): void {
    if (this.reaches(index, 'in')) this.#world.arrived(index, frame);
  }

  carrier(index: RouterIndex, up: boolean): void {
    const port = index === 0 ? 'r0' : 'r1';
    this.#switch.handle({ kind: 'link', port, up }, this.#now);
  }

  /** The AC takes an event: a ping to send, an operator's command, the time. */
  feedAc(event: AcEvent): void {
    for (const output of this.#ac.handle(event, this.#now)) this.#fromAc(output);
    const at = this.#ac.deadline();
    if (at === undefined || at >= this.#acAt) return;
    this.#acAt = at;
    this.#world.schedule.at(at + 1e-6, () => {
      this.#acAt = Infinity;
      this.feedAc({ kind: 'deadline' });
    });
  }

  get #now(): Instant {
    return this.#world.schedule.now as Instant;
  }

  /** A frame on its way through the switch. Ethernet does not reorder; a line that loses frames does here. */
  #carry(port: Port, frame: Uint8Array, late: number): void {
    const { schedule, chance } = this.#world;
    const arrives = schedule.now + late + chance.between(0.1, 1);
    const at = this.loss > 0 ? arrives : Math.max(arrives, this.#last[port]);
    this.#last[port] = at;
    this.underWay++;
    schedule.at(at, () => {
      this.underWay--;
      for (const output of this.#switch.handle({ kind: 'frame', port, frame }, this.#now)) {
        if (output.kind !== 'send') continue;
        if (output.port === 'ac') this.feedAc({ kind: 'frame', frame: output.frame });
        else this.deliver(output.port === 'r0' ? 0 : 1, output.frame);
      }
    });
  }

  #fromAc(output: AcOutput): void {
    const { chance } = this.#world;
    if (output.kind === 'send') {
      const { loss, acLateMs } = this;
      if (chance.is(loss)) return;
      this.#carry('ac', output.frame, acLateMs);
      if (chance.is(loss / 4)) this.#carry('ac', output.frame, acLateMs + 1);
    } else if (output.kind === 'pong') this.#world.carried(output.sessionId);
    else if (output.kind === 'violation') {
      if (!this.wasBad) this.#world.accused(output.text);
    } else if (output.kind !== 'note' && output.kind !== 'packet')
      this.#world.note(`AC ${JSON.stringify(output)}`);
  }
}
