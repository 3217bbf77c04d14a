/**
 * One session of this process: its engine, the driver that runs it, and its counters and status. The engine decides;
 * this file does not see other sessions.
 */
import { DecodeError, sameOctets, toHex } from '@ppp-thing/protocol/bytes';
import type { SessionEngine } from '@ppp-thing/protocol/engine/engine';
import type { Action, AdminVerb, Event, Note } from '@ppp-thing/protocol/engine/events';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import { NO_SNAPSHOT, type PartnerMessage, type Snapshot } from '@ppp-thing/protocol/session';
import type { Failure, RequestBody, SessionState, Verb } from '@ppp-thing/protocol/ipc/messages';
import { decodeDhcp6 } from '@ppp-thing/protocol/wire/dhcpv6';
import { formatMac } from '@ppp-thing/protocol/wire/ethernet';
import type { SessionSettings } from './config.ts';
import { Driver, type DriverClock } from './driver.ts';
import { eventOf, octetsOf, receivedLine, sentLine, type Heard } from './frames.ts';
import { systemHashes } from './hashes.ts';
import type { HelperClient } from './helper.ts';
import { Hooks, type HookSettings } from './hooks.ts';
import { formatNote, type Log } from './log.ts';
import type { Dhcp6Channel } from './dhcp6-socket.ts';
import type { PrefixFile } from './prefix-file.ts';
import type { PartnerChannel } from './partner-channel.ts';
import { notStored, perform, type Effects, type Failed, type Storing } from './perform.ts';
import type { Store } from './store.ts';
import { RECENT, type Happening, type Outcome, type SessionView } from './supervisor.ts';
import type { System } from './system.ts';
import { PartsOfTakeover, type Forwarded } from './takeover-parts.ts';
import type { Turns } from './turns.ts';

/** The parts that all sessions share. */
export interface Shared {
  readonly system: System;
  /** For the sessions' deadlines. */
  readonly timers: DriverClock;
  /** The wall clock at Instant 0, now: somebody may set the clock. */
  zero(): number;
  readonly helper: HelperClient;
  /** Undefined without a partner. */
  readonly partner: PartnerChannel | undefined;
  /** Undefined if no session requests a lease. */
  readonly dhcp6: Dhcp6Channel | undefined;
  readonly prefixes: PrefixFile;
  readonly store: Store;
  /** Commit waiting stores soon, together with those of other sessions. */
  commitSoon(): void;
  readonly log: Log;
  readonly hooks: HookSettings;
  readonly turns: Turns;
  /** The next sequence number of an event. */
  sequence(): number;
  /** Notify the subscribers. */
  happened(happening: Happening): void;
}

const NO_DATAGRAMS = { datagramsIn: 0, datagramsOut: 0, datagramsRefused: {} };

/** Reasons of malformed frames in the log, of one session. */
const MOST_REASONS = 8;

export class Session {
  readonly name: string;
  readonly #settings: SessionSettings;
  readonly #around: Shared;
  readonly #engine: SessionEngine;
  readonly #driver: Driver;
  readonly #hooks: Hooks;
  readonly #recent: Happening[] = [];
  readonly #parts = new PartsOfTakeover();
  #zero: number;
  /** A message of the partner's has been handled in this turn of the loop; and the last one that came since. */
  #isHearing = false;
  #heardLast: PartnerMessage | undefined;
  /** PPP packets that the helper has not yet answered for. */
  #unsent = 0;
  readonly #counts = {
    framesIn: 0,
    framesOut: 0,
    framesMalformed: 0,
    framesShed: 0,
    stores: 0,
    storeFailures: 0,
  };
  /** Why frames were malformed: those that the log has shown. */
  readonly #reasons = new Set<string>();
  readonly #refusalsByVerb: Partial<Record<Verb, number>> = {};

  constructor(settings: SessionSettings, stored: Snapshot | undefined, around: Shared) {
    const { engine: config } = settings;
    const { system } = around;
    this.name = config.name;
    this.#settings = settings;
    this.#around = around;
    const before = stored ?? NO_SNAPSHOT;
    const { random } = system;
    this.#zero = around.zero();
    const turn = around.turns.of(() => this.#driver.feed({ kind: 'deadline' }));
    this.#engine = system.makeEngine(config, before, systemHashes, random, this.#zero, turn);
    const effects = this.#effects();
    const subject = { session: this.name, line: settings.interface };
    this.#hooks = new Hooks(around.hooks, subject, around.log);
    this.#driver = new Driver(
      this.#engine,
      (action) => this.#perform(action, effects),
      around.timers,
      (at) => {
        this.#followClock();
        this.#hooks.observe(this.#engine.ownerStatus(at), system.wallClock());
      },
    );
  }

  /** The helper is connected, with this state of the session; undefined if the helper's policy lacks the session. */
  helperUp(state: SessionState | undefined): void {
    const { ourMac } = this.#settings.engine.link;
    const { log } = this.#around;
    this.#unsent = 0;
    const advice = 'restart ppp_thing_helper, which read an older configuration';
    if (state === undefined) {
      const why = `its log tells why the session has not started; or ${advice}`;
      return log.line('error', `${this.name}: the helper does not know this session: ${why}`);
    }
    if (!sameOctets(state.ourMac, ourMac)) {
      const its = formatMac(state.ourMac);
      return log.line('error', `${this.name}: the helper has mac ${its} for it: ${advice}`);
    }
    const { role, carrier, gateOpen, demoted } = state;
    const attached = state.attached && { ...state.attached, ourMac };
    this.#driver.feed({
      kind: 'helper-up',
      state: { role, carrier, gateOpen, demoted, attached },
    });
  }

  helperDown(): void {
    this.#driver.feed({ kind: 'helper-down' });
  }

  /** A notice of the helper about this session. Octets that violate their format are dropped here. */
  notice(notice: Heard): void {
    const { log, partner } = this.#around;
    // Anybody on the line can send such a frame: check that the partner did.
    if (
      notice.notice === 'own-mac-heard' &&
      partner?.believes(this.name, notice.epoch, notice.proof) !== true
    ) {
      this.#counts.framesMalformed += 1;
      const line = `${this.name}: announce frame dropped: epoch ${notice.epoch} is not the partner’s`;
      return log.line('debug', line, `${this.name} announce`);
    }
    const octets = octetsOf(notice);
    try {
      const event = this.#ordered(eventOf(notice));
      if (octets !== undefined) this.#counts.framesIn += 1;
      if (log.shows('trace')) this.#trace(receivedLine(event, octets));
      this.#parts.heard(event, this.#around.system.now);
      this.#driver.feed(event);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      const hex = octets === undefined ? '' : ` | ${toHex(octets)}`;
      this.#malformed(`${notice.notice} dropped: ${error.message}`, hex);
    }
  }

  /** Visible once for each of the first reasons: else an AC that nobody can understand would look like one that is silent. */
  #malformed(reason: string, hex: string): void {
    this.#counts.framesMalformed += 1;
    const isNew = !this.#reasons.has(reason) && this.#reasons.size < MOST_REASONS;
    if (isNew) this.#reasons.add(reason);
    const line = `${this.name}: ${reason}${hex}`;
    this.#around.log.line(isNew ? 'info' : 'debug', line, `${this.name} malformed`);
  }

  /** The helper answers in order: a packet that comes before the answer to our last one came before that one left. */
  #ordered(event: Event): Event {
    return event.kind === 'ppp' && this.#unsent > 0 ? { ...event, crossed: true } : event;
  }

  /** Timing of the helper's own actions at an edge; the notice of the edge follows. */
  forwarded(notice: Forwarded): void {
    this.#parts.forwarded(notice, this.#around.system.now());
  }

  /** Frames that the helper dropped. */
  shed(frames: number): void {
    this.#counts.framesShed += frames;
    this.#around.log.line('warn', `${this.name}: ${frames} frames shed`, `${this.name} shed`);
  }

  /**
   * A verified message of the partner. Each says everything, so of those that one turn of the loop reads only the first and
   * the last count: a flood of them, each with a snapshot to store, must not keep the AC waiting.
   */
  hear(message: PartnerMessage): void {
    if (this.#isHearing) return void (this.#heardLast = message);
    this.#isHearing = true;
    this.#around.system.soon(() => {
      const last = this.#heardLast;
      this.#isHearing = false;
      this.#heardLast = undefined;
      if (last !== undefined) this.hear(last);
    });
    // The channel has put the message in the time of our clock.
    this.#followClock();
    this.#driver.feed({ kind: 'partner', message });
  }

  /** A datagram from a DHCPv6 server. */
  dhcp6(octets: Uint8Array): void {
    const { log } = this.#around;
    if (log.shows('trace')) this.#trace(`<- DHCPv6 | ${toHex(octets)}`);
    try {
      this.#driver.feed({ kind: 'dhcp6', message: decodeDhcp6(octets) });
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#malformed(`DHCPv6 message dropped: ${error.message}`, ` | ${toHex(octets)}`);
    }
  }

  admin(verb: AdminVerb): Outcome {
    const reason = this.#engine.refusal(verb, this.#around.system.now());
    if (reason !== undefined) return { accepted: false, reason };
    this.#driver.feed({ kind: 'admin', verb });
    return { accepted: true };
  }

  view(): SessionView {
    const { interface: line, mac, stub, engine } = this.#settings;
    const { link, owner } = engine;
    const status = this.#engine.status(this.#around.system.now());
    const at = status.lastTakeover?.at;
    return {
      name: this.name,
      settings: {
        interface: line,
        mac,
        user: link.user,
        policy: owner.policy,
        mtu: link.mtu,
        ...(stub === undefined ? {} : { stub }),
      },
      status,
      takeoverParts: at === undefined ? undefined : this.#parts.of(at),
      counters: {
        ...this.#counts,
        refusals: Object.values(this.#refusalsByVerb).reduce((sum, each) => sum + each, 0),
        refusalsByVerb: { ...this.#refusalsByVerb },
        echoesLost: status.link.lostEchoes,
        ...(this.#around.partner?.counters(this.name) ?? NO_DATAGRAMS),
      },
      partnerDiffers: this.#around.partner?.differs(this.name),
      recent: [...this.#recent],
    };
  }

  /** Use these hooks from now on. */
  setHooks(hooks: HookSettings): void {
    this.#hooks.settings = hooks;
  }

  stop(): void {
    this.#driver.stop();
    this.#hooks.stop();
  }

  /** After each event, and so at least once a second. */
  #followClock(): void {
    const zero = this.#around.zero();
    if (zero === this.#zero) return;
    this.#zero = zero;
    this.#driver.feed({ kind: 'clock-set', wallClockAtZero: zero });
  }

  #perform(action: Action, effects: Effects): Failed | Storing | undefined {
    if (action.kind === 'send-discovery' || action.kind === 'send-ppp') {
      this.#counts.framesOut += 1;
      if (this.#around.log.shows('trace')) this.#trace(sentLine(action));
    }
    const outcome = perform(action, effects);
    if (outcome?.kind !== 'storing') return this.#performed(action, outcome);
    const wait: Storing['wait'] = (then) =>
      outcome.wait((failed) => then(this.#performed(action, failed)));
    return { kind: 'storing', wait };
  }

  #performed(action: Action, failed: Failed | undefined): Failed | undefined {
    if (failed !== undefined) this.#counts.storeFailures += 1;
    else {
      if (action.kind === 'store') this.#counts.stores += 1;
      this.#parts.performed(action, this.#around.system.now);
    }
    return failed;
  }

  #effects(): Effects {
    const { helper, partner, store, dhcp6, prefixes } = this.#around;
    return {
      session: this.name,
      store: (snapshot) => {
        if (store.isJournal) return this.#storeLater(snapshot);
        store.save(this.name, snapshot);
        return undefined;
      },
      ask: (verb, body, action) => this.#ask(verb, body, action),
      // Without counters from the kernel nothing is proven, so there is no event.
      count: () =>
        helper.ask(
          'counters',
          { session: this.name },
          () => undefined,
          ({ octetsIn }) => this.#driver.feed({ kind: 'counted', octetsIn }),
        ),
      tell: (message) => partner?.tell(this.name, message),
      proof: (epoch) => partner?.proof(this.name, epoch) ?? NO_PROOF,
      dhcp6: (octets) => dhcp6?.send(this.name, octets),
      delegated: (action) => prefixes.write(this.name, action),
      note: (note) => this.#note(note),
    };
  }

  #ask<V extends Verb>(verb: V, body: RequestBody<V>, action: Action['kind']): void {
    const { helper } = this.#around;
    if (verb !== 'ppp-send')
      return helper.ask(verb, body, (failure) => this.#failed(action, verb, failure));
    this.#unsent += 1;
    const sent = (): void => void (this.#unsent -= 1);
    const failed = (failure: Failure): void => {
      sent();
      this.#failed(action, verb, failure);
    };
    helper.ask(verb, body, failed, sent);
  }

  #storeLater(snapshot: Snapshot): Storing | undefined {
    const { store, commitSoon } = this.#around;
    let then: (failed: Failed | undefined) => void = () => undefined;
    const isWaiting = store.later(this.name, snapshot, (refused) =>
      then(refused && notStored(refused)),
    );
    if (!isWaiting) return undefined;
    commitSoon();
    return { kind: 'storing', wait: (told) => void (then = told) };
  }

  #failed(action: Action['kind'], asked: Verb, { verb, subject, code, reason }: Failure): void {
    this.#refusalsByVerb[asked] = (this.#refusalsByVerb[asked] ?? 0) + 1;
    const message = `${verb} ${subject}: ${code}: ${reason}`;
    this.#driver.feed({ kind: 'failed', action, code, message });
  }

  #note(note: Note): void {
    const { log, system } = this.#around;
    log.note(this.name, note);
    const line = `${this.name} ${formatNote(note)}`;
    const sequence = this.#around.sequence();
    const happening = { sequence, time: system.wallClock(), session: this.name, note, line };
    if (note.level !== 'debug') this.#recent.push(happening);
    if (this.#recent.length > RECENT) this.#recent.shift();
    this.#around.happened(happening);
  }

  #trace(line: string | undefined): void {
    // The operator asked to see every frame, so do not rate-limit.
    if (line !== undefined) this.#around.log.line('trace', `${this.name}: ${line}`, line);
  }
}
