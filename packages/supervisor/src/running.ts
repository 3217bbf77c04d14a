/**
 * A running supervisor: every session of the configuration on one helper, one partner channel and one store. `main.ts`
 * starts it, and the status sockets read it. It parses nothing and has no privileges.
 */
import type { AdminVerb } from '@ppp-thing/protocol/engine/events';
import type { Snapshot } from '@ppp-thing/protocol/session';
import type { Notice, SessionState } from '@ppp-thing/protocol/ipc/messages';
import { stepBetween, type Instant } from '@ppp-thing/protocol/time';
import type { Config } from './config.ts';
import type { Dhcp6Channel } from './dhcp6-socket.ts';
import { HelperClient } from './helper.ts';
import type { HookSettings } from './hooks.ts';
import type { Log, LogLevel } from './log.ts';
import type { PartnerChannel } from './partner-channel.ts';
import { prefixFile, type PrefixFile } from './prefix-file.ts';
import { Session } from './session.ts';
import { SharedTimers } from './shared-timers.ts';
import type { Store } from './store.ts';
import type {
  Happening,
  HelperView,
  Outcome,
  PartnerView,
  SessionView,
  Supervisor,
  Traffic,
} from './supervisor.ts';
import { thisSystem, type System } from './system.ts';
import { Turns } from './turns.ts';

/** From this many sessions on, they share timers. */
const MANY_SESSIONS = 16;

interface RunningOptions {
  readonly config: Config;
  readonly version: string;
  readonly log: Log;
  readonly store: Store;
  readonly partner: PartnerChannel | undefined;
  /** Undefined if no session requests a lease. */
  readonly dhcp6?: Dhcp6Channel | undefined;
  /** In the run directory by default. */
  readonly prefixes?: PrefixFile;
  /** The snapshot for a session that was never stored: from the original's state file. */
  readonly inherited?: Snapshot | undefined;
  /** This machine by default. */
  readonly system?: System;
}

export class Running implements Supervisor {
  readonly version: string;
  readonly startedAt: number;
  readonly #options: RunningOptions;
  readonly #system: System;
  /** The wall clock at Instant 0. */
  #zero: number;
  readonly #sessions = new Map<string, Session>();
  readonly #helper: HelperClient;
  readonly #turns: Turns;
  readonly #listeners = new Set<(happening: Happening) => void>();
  #sequence = 0;
  #isCommitting = false;

  /** Loads every snapshot. Throws StoreError. */
  constructor(options: RunningOptions) {
    const { config, log, store, partner, dhcp6, inherited, system = thisSystem } = options;
    const { prefixes = prefixFile(config.runDirectory, log, system.wallClock) } = options;
    this.version = options.version;
    this.#options = options;
    this.#system = system;
    this.startedAt = system.wallClock();
    this.#zero = this.startedAt - system.now();
    const helper = new HelperClient({
      path: config.helperSocket,
      log,
      system,
      events: {
        up: (states) => this.#helperUp(states),
        down: () => this.#each((session) => session.helperDown()),
        notice: (notice) => this.#notice(notice),
      },
    });
    this.#helper = helper;
    this.#turns = new Turns(system);
    const isMany = config.sessions.length >= MANY_SESSIONS;
    const around = {
      system,
      timers: isMany ? new SharedTimers(system) : system,
      turns: this.#turns,
      zero: () => this.#followClock(),
      helper,
      partner,
      dhcp6,
      prefixes,
      store,
      commitSoon: () => this.#commitSoon(),
      log,
      hooks: config.hooks,
      sequence: () => ++this.#sequence,
      happened: (happening: Happening) => {
        for (const listener of this.#listeners) listener(happening);
      },
    };
    for (const settings of config.sessions) {
      const { name } = settings.engine;
      const stored = store.load(name) ?? inherited;
      this.#sessions.set(name, new Session(settings, stored, around));
    }
  }

  get routerId(): number {
    return this.#options.config.partner?.routerId ?? 1;
  }

  /** Connect to the helper. Nothing happens before. */
  start(): void {
    this.#helper.start();
  }

  /** Close everything and send nothing: the session stays in the kernel (R3). */
  stop(): void {
    this.#helper.close();
    this.#turns.stop();
    this.#each((session) => session.stop());
    this.#options.partner?.close();
    this.#options.dhcp6?.close();
  }

  /** Use these hooks from now on. */
  setHooks(hooks: HookSettings): void {
    this.#each((session) => session.setHooks(hooks));
  }

  /** A verified message of the partner. */
  hear(name: string, message: Parameters<Session['hear']>[0]): void {
    this.#sessions.get(name)?.hear(message);
  }

  /** A datagram from a DHCPv6 server on the interface of this name. */
  heardDhcp6(name: string, octets: Uint8Array): void {
    this.#sessions.get(name)?.dhcp6(octets);
  }

  now(): Instant {
    return this.#system.now();
  }

  timeOf(at: Instant): number {
    return this.#followClock() + at;
  }

  helper(): HelperView {
    return this.#helper.view();
  }

  partner(): PartnerView {
    const { config, partner } = this.#options;
    if (config.partner === undefined || partner === undefined) return { protocol: 'none' };
    const { protocol, partnerId, address, partnerPort } = config.partner;
    const trouble = partner.trouble();
    const clockOffset = partner.clockOffset();
    return {
      protocol,
      routerId: partnerId,
      address: `${address}:${partnerPort}`,
      refused: partner.refused(),
      ...(clockOffset === undefined ? {} : { clockOffset }),
      ...(trouble === undefined ? {} : { trouble }),
    };
  }

  sessions(): readonly SessionView[] {
    return Array.from(this.#sessions.values(), (session) => session.view());
  }

  session(name: string): SessionView | undefined {
    return this.#sessions.get(name)?.view();
  }

  admin(name: string, verb: AdminVerb): Outcome {
    const session = this.#sessions.get(name);
    if (session === undefined) return { accepted: false, reason: `there is no session ${name}` };
    if (!this.#helper.view().connected) {
      return { accepted: false, reason: 'the helper does not answer' };
    }
    return session.admin(verb);
  }

  traffic(name: string): Promise<Traffic | undefined> {
    return this.#sessions.has(name) ? this.#helper.counters(name) : Promise.resolve(undefined);
  }

  logLevel(): LogLevel {
    return this.#options.log.level;
  }

  setLogLevel(level: LogLevel): void {
    this.#options.log.level = level;
    this.#options.log.line('warn', `log level ${level}`);
  }

  subscribe(listener: (happening: Happening) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The wall clock at Instant 0, and a line of the log when somebody has set the clock. */
  #followClock(): number {
    const { wallClock, now } = this.#system;
    const ahead = stepBetween(wallClock() - now() - this.#zero);
    if (ahead !== 0) this.#options.log.line('info', `the clock was set by ${ahead / 1000} s`);
    return (this.#zero += ahead);
  }

  /**
   * Commit once the notices received so far are handled, so that one commit covers all sessions that an edge of the
   * role moves.
   */
  #commitSoon(): void {
    if (this.#isCommitting) return;
    this.#isCommitting = true;
    this.#system.soon(() => {
      this.#isCommitting = false;
      this.#options.store.commit();
    });
  }

  #each(run: (session: Session) => void): void {
    for (const session of this.#sessions.values()) run(session);
  }

  #helperUp(states: readonly SessionState[]): void {
    const found = new Map(states.map((state) => [state.session, state]));
    this.#each((session) => session.helperUp(found.get(session.name)));
  }

  #notice(notice: Notice): void {
    const session = this.#sessions.get(notice.session);
    // The helper may have a session that is not in this process's configuration; ignore it.
    if (session === undefined) return;
    if (notice.notice === 'dropped') session.shed(notice.frames);
    else if (notice.notice === 'forwarded') session.forwarded(notice);
    else session.notice(notice);
  }
}
