/**
 * One router's engine under a virtual clock, for tests: events in, actions out, and what they would have done to the
 * world. It performs nothing and checks nothing.
 */
import { createHash } from 'node:crypto';
import type { Action, Event, HelperState } from '@ppp-thing/protocol/engine/events';
import {
  type PartnerMessage,
  NO_SNAPSHOT,
  type SessionFacts,
  type Snapshot,
} from '@ppp-thing/protocol/session';
import { SessionEngine } from '@ppp-thing/protocol/engine/engine';
import type { SessionConfig } from '@ppp-thing/protocol/engine/session-config';
import { Secret, type Hashes } from '@ppp-thing/protocol/engine/hashes';
import { millis, seconds, type Instant } from '@ppp-thing/protocol/time';

export const AC_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0xac);
export const OUR_MAC = Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 1);
export const US = 2;
export const PARTNER = 3;

export const FACTS: SessionFacts = {
  key: { sessionId: 0x1234, acMac: AC_MAC, ourMac: OUR_MAC },
  acName: new TextEncoder().encode('bras'),
  serviceName: new Uint8Array(),
  hostUniq: Uint8Array.of(1, 2, 3, 4),
  ourMagic: 0x11111111,
  theirMagic: 0x22222222,
  ourMru: 1492,
  theirMru: 1492,
  maxPayload: 1492,
  auth: 'CHAP-MD5',
  ourAddress: Uint8Array.of(100, 64, 0, 11),
  theirAddress: Uint8Array.of(100, 64, 0, 1),
  dns: [],
  identifiers: { lcp: 7, ipcp: 3, ipv6cp: 0 },
  startedAt: 1_700_000_000,
};

export const HELD_BY_PARTNER: Snapshot = {
  epoch: 41,
  generation: 2,
  holder: PARTNER,
  facts: FACTS,
};
export const HELD_BY_US: Snapshot = { epoch: 41, generation: 2, holder: US, facts: FACTS };

export const CONFIG: SessionConfig = {
  name: 'pppoe0',
  link: {
    ourMac: OUR_MAC,
    user: 'alice',
    password: new Secret('secret1'),
    auth: ['CHAP-MD5'],
    serviceName: '',
    mtu: 1492,
    magicNumber: true,
    dns: false,
    ipv6: false,
    echo: { interval: seconds(5), failures: 2, probeInterval: millis(500), probeFailures: 10 },
  },
  owner: {
    policy: 'follow-carp',
    routerId: US,
    hasPartner: true,
    holdDown: seconds(5),
    partnerTimeout: seconds(3),
    downDemotion: seconds(10),
  },
};

/** Enough for PAP and CHAP-MD5; nothing here speaks MS-CHAPv2. */
const hashes: Hashes = {
  md5: (data) => createHash('md5').update(data).digest(),
  sha1: (data) => createHash('sha1').update(data).digest(),
  md4: () => new Uint8Array(16),
  des: () => new Uint8Array(8),
};

/** A linear congruential generator: the same octets in every run. */
export function seeded(seed: number): (length: number) => Uint8Array {
  let state = seed >>> 0;
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    });
}

export class Router {
  readonly engine: SessionEngine;
  now = 1000 as Instant;
  /** Every action since the start. */
  readonly actions: Action[] = [];

  constructor(stored: Snapshot = NO_SNAPSHOT, config: SessionConfig = CONFIG, seed = 1) {
    this.engine = new SessionEngine(config, stored, hashes, seeded(seed), 1_700_000_000_000);
  }

  /** Feed one event; the actions it caused. */
  feed(event: Event): readonly Action[] {
    const actions = this.engine.handle(event, this.now);
    this.actions.push(...actions);
    return actions;
  }

  helperUp(state: Partial<HelperState> = {}): readonly Action[] {
    const found = {
      role: 'BACKUP',
      carrier: true,
      attached: null,
      gateOpen: false,
      demoted: false,
    } as const;
    return this.feed({ kind: 'helper-up', state: { ...found, ...state } });
  }

  role(role: HelperState['role']): readonly Action[] {
    return this.feed({ kind: 'role', role });
  }

  hear(message: Partial<PartnerMessage> = {}): readonly Action[] {
    return this.feed({ kind: 'partner', message: { ...partnerHolding, ...message } });
  }

  /** The AC answers the last Echo-Request we sent. */
  echoReply(): readonly Action[] {
    const sent = this.actions.filter(isEchoRequest).at(-1);
    if (sent === undefined) throw new Error('no Echo-Request was sent');
    const { identifier } = sent.packet.packet;
    return this.feed({
      kind: 'ppp',
      packet: {
        protocol: 'LCP',
        packet: { code: 'Echo-Reply', identifier, magic: FACTS.theirMagic, data: new Uint8Array() },
      },
    });
  }

  /** Let time pass, waking the engine whenever it asks. */
  pass(span: number): readonly Action[] {
    const until = (this.now + span) as Instant;
    const actions: Action[] = [];
    let wakes = 0;
    for (
      let at = this.engine.deadline();
      at !== undefined && at <= until;
      at = this.engine.deadline()
    ) {
      if (++wakes > 10_000) throw new Error(`the engine asks to be woken at ${at} again and again`);
      this.now = Math.max(at, this.now) as Instant;
      actions.push(...this.feed({ kind: 'deadline' }));
    }
    this.now = until;
    return actions;
  }

  get state(): string {
    return this.engine.status(this.now).state;
  }

  /** Helper up as BACKUP, partner heard: the usual standby. */
  static standby(): Router {
    const router = new Router();
    router.helperUp();
    router.hear();
    return router;
  }

  /** The holder of a proven session, with a partner that is armed and in sync. */
  static holder(): Router {
    const router = Router.standby();
    router.role('MASTER');
    router.echoReply();
    const { snapshot } = router.engine.status(router.now);
    router.hear({ role: 'BACKUP', armed: true, open: false, proven: false, snapshot });
    return router;
  }
}

const partnerHolding: PartnerMessage = {
  sender: PARTNER,
  role: 'MASTER',
  healthy: true,
  armed: false,
  open: true,
  proven: true,
  yielding: false,
  hearing: true,
  snapshot: HELD_BY_PARTNER,
};

type EchoRequest = Extract<Action, { kind: 'send-ppp' }> & {
  readonly packet: { readonly protocol: 'LCP'; readonly packet: { readonly code: 'Echo-Request' } };
};

export const isEchoRequest = (action: Action): action is EchoRequest =>
  action.kind === 'send-ppp' &&
  action.packet.protocol === 'LCP' &&
  action.packet.packet.code === 'Echo-Request';

/** The kinds of `actions`, without the log, in order; an action with a choice shows it. */
export function story(actions: readonly Action[]): string[] {
  return actions.flatMap((action) => {
    switch (action.kind) {
      case 'note':
        return [];
      case 'gate':
        return [action.open ? 'gate open' : 'gate closed'];
      case 'route':
        return [`route ${action.via}`];
      case 'demote':
        return [action.on ? 'demote' : 'promote'];
      case 'configure':
        return [action.settings.up ? 'configure up' : 'configure down'];
      case 'attach':
        return [action.autoOpen ? 'attach autoOpen' : 'attach'];
      case 'store':
        return [`store ${action.snapshot.epoch}`];
      case 'send-ppp':
        return [
          `${action.packet.protocol} ${'packet' in action.packet ? action.packet.packet.code : ''}`,
        ];
      case 'send-discovery':
        return [action.packet.code];
      default:
        return [action.kind];
    }
  });
}
