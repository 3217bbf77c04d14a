/**
 * Turns the status API's data into the page's text: the holder, whether the other router could take over, and since
 * when. Pure; it draws nothing.
 */
import type { HistoryJson, SessionStatusJson, StatusJson } from '@ppp-thing/supervisor/api';
import { clock, milliseconds, span } from './text.ts';

export type Tone = 'good' | 'busy' | 'bad';

/** One line of a router's card: good, bad, or (`plain`) neither. */
export type Point = readonly [mark: 'yes' | 'no' | 'plain', text: string];

export interface RouterModel {
  readonly name: string;
  /** The router that serves this page. */
  readonly isThis: boolean;
  readonly stand: 'holds' | 'ready' | 'unready' | 'unknown';
  /** `Holds the session` */
  readonly word: string;
  /** State of its path to the AC. */
  readonly wire: 'open' | 'closed' | 'unknown';
  readonly points: readonly Point[];
}

export interface Model {
  readonly tone: Tone;
  /** The tone in a word: `Protected`, `Not protected`, `Down`. */
  readonly word: string;
  /** `Router 1 holds the session` */
  readonly headline: string;
  readonly since: string;
  /** Whether the other router could take over. */
  readonly protection: string;
  /** Sorted by number, so that both routers' pages look alike. Only one if no partner is configured. */
  readonly routers: readonly RouterModel[];
  /** Synchronisation between the two; null without a partner. */
  readonly sync: { readonly isGood: boolean; readonly text: string } | null;
  readonly acName: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
}

interface Told {
  readonly status: StatusJson;
  readonly session: SessionStatusJson;
  readonly history: HistoryJson | null;
}

/** `Router 2`: both pages must use the same name, and neither router knows the other's host name. */
export const routerName = (id: number | null): string =>
  id === null ? 'The partner' : `Router ${id}`;

/** The holder's name. */
export const holderName = (holder: SessionStatusJson['holder'], status: StatusJson): string => {
  if (holder === 'nobody') return 'Nobody';
  return routerName(holder === 'partner' ? status.partner.routerId : status.routerId);
};

export function modelOf(told: Told): Model {
  const { status, session } = told;
  const [tone, headline] = verdict(told);
  const isAlone = status.partner.protocol === 'none';
  const ready = isAlone ? false : standby(told).isReady;
  const routers = isAlone
    ? [{ id: status.routerId, model: thisRouter(told) }]
    : [
        { id: status.routerId, model: thisRouter(told) },
        { id: status.partner.routerId ?? 0, model: otherRouter(told) },
      ];
  const isProtected = tone === 'good' && (ready || isAlone);
  return {
    tone: tone === 'good' && !isProtected ? 'busy' : tone,
    word: tone === 'bad' ? 'Down' : tone === 'busy' ? 'In transition' : wordFor(isAlone, ready),
    headline,
    since: since(told),
    protection: isAlone ? 'No partner is configured.' : standby(told).text,
    routers: routers.sort((a, b) => a.id - b.id).map(({ model }) => model),
    sync: isAlone ? null : syncOf(told),
    acName: session.session === null ? '' : session.session.acName,
    facts: factsOf(told),
  };
}

function wordFor(isAlone: boolean, isReady: boolean): string {
  if (isAlone) return 'Up';
  return isReady ? 'Protected' : 'Not protected';
}

/** The state of the session, in a sentence. */
function verdict({ status, session }: Told): readonly [Tone, string] {
  const us = routerName(status.routerId);
  const them = routerName(status.partner.routerId);
  const { state, proven, partner, carrier } = session;
  if (!status.helper.connected) return ['bad', `The helper of ${us} does not answer`];
  if (state === 'Off' || state === 'HangingUp') return ['bad', 'Disconnected by the operator'];
  if (state === 'Redialling') return ['busy', 'Reconnecting, as the operator asked'];
  if (state === 'Yielding') return ['busy', `${us} is handing the session to ${them}`];
  if (state === 'Fenced') return ['bad', `${us} is silent: both routers are MASTER`];
  if (session.holder === 'partner') {
    if (partner.role === null) return ['bad', `${them} held the session and is not heard`];
    if (partner.proven) return ['good', `${them} holds the session`];
    return ['bad', `${them} holds the session, and the AC does not answer it`];
  }
  if (!carrier) return ['bad', `The line of ${us} has no carrier`];
  if (state === 'Waiting') return ['busy', `${us} waits for ${them}`];
  if (session.holder === 'this router' && session.session !== null) {
    if (session.refused !== null) return ['bad', `${us} holds the session, and forwards nothing`];
    if (proven) return ['good', `${us} holds the session`];
    return ['bad', `${us} holds the session, and the AC does not answer`];
  }
  if (state === 'Holding') return [session.link.attempts > 0 ? 'bad' : 'busy', `${us} dials`];
  return ['bad', 'Nobody holds a session'];
}

/** Whether the other router could take over, in a sentence that names what is missing. */
function standby({ status, session }: Told): { readonly isReady: boolean; readonly text: string } {
  const isOurs = session.holder !== 'partner';
  const name = routerName(isOurs ? status.partner.routerId : status.routerId);
  if (isOurs && session.partner.role === null) {
    return { isReady: false, text: `${name} cannot take over: it is not heard.` };
  }
  const missing = isOurs ? lackingPartner(session) : lackingHere(session);
  if (missing.length === 0) return { isReady: true, text: `${name} is armed, in sync and ready.` };
  return { isReady: false, text: `${name} is not ready to take over: ${missing.join(', ')}.` };
}

const lackingPartner = ({ partner, session }: SessionStatusJson): string[] => [
  ...(partner.armed || session === null ? [] : ['not armed']),
  ...(partner.inSync ? [] : ['not in sync']),
  ...(partner.healthy ? [] : ['not healthy']),
];

const lackingHere = ({ armed, partner, carrier, session }: SessionStatusJson): string[] => [
  ...(armed || session === null ? [] : ['not armed']),
  ...(partner.inSync || partner.role === null ? [] : ['not in sync']),
  ...(carrier ? [] : ['no carrier']),
];

function thisRouter(told: Told): RouterModel {
  const { status, session } = told;
  const { link, carrier, armed, proven, demoted } = session;
  const holds = session.holder === 'this router';
  const points: Point[] = [['plain', `CARP ${session.role}`]];
  if (!status.helper.connected) points.push(['no', 'helper away']);
  if (!carrier) points.push(['no', 'no carrier']);
  if (holds) {
    const echo = link.echoRttMs === null ? '' : ` in ${milliseconds(link.echoRttMs)}`;
    if (session.refused !== null)
      points.push(['no', `kernel refuses ${session.refused.action}: ${session.refused.code}`]);
    points.push(proven ? ['yes', `AC answers${echo}`] : ['no', 'AC does not answer']);
    if (link.unansweredEchoes > 1)
      points.push(['no', `${link.unansweredEchoes} echoes unanswered`]);
  } else {
    points.push(armed ? ['yes', 'armed'] : ['no', 'not armed']);
    if (session.partner.role !== null) points.push(synced(session));
  }
  // A demoted router can still take over: CARP only prefers the other.
  for (const reason of demoted) points.push(['plain', `demoted: ${reason}`]);
  const isReady = lackingHere(session).length === 0 && status.helper.connected;
  return {
    name: routerName(status.routerId),
    isThis: true,
    stand: holds ? 'holds' : isReady ? 'ready' : 'unready',
    word: holds ? 'Holds the session' : wordOf(session, isReady),
    wire: holds && proven && session.refused === null ? 'open' : 'closed',
    points,
  };
}

function wordOf({ state }: SessionStatusJson, isReady: boolean): string {
  if (state === 'Waiting') return 'Waits';
  if (state === 'Off' || state === 'HangingUp') return 'Off';
  if (state === 'Redialling') return 'Reconnects';
  if (state === 'Fenced') return 'Silent: fenced';
  return isReady ? 'Stands by' : 'Not ready';
}

function otherRouter(told: Told): RouterModel {
  const { status, session } = told;
  const { partner } = session;
  const name = routerName(status.partner.routerId);
  const holds = session.holder === 'partner';
  if (partner.role === null) {
    const text =
      partner.heardAt === null ? 'never heard' : `silent for ${span(status.now - partner.heardAt)}`;
    const word = holds ? 'Held it; not heard' : 'Not heard';
    return { name, isThis: false, stand: 'unknown', word, wire: 'unknown', points: [['no', text]] };
  }
  const points: Point[] = [['plain', `CARP ${partner.role}`]];
  if (holds)
    points.push(partner.proven ? ['yes', 'AC answers it'] : ['no', 'AC does not answer it']);
  else points.push(partner.armed ? ['yes', 'armed'] : ['no', 'not armed'], synced(session));
  if (!partner.healthy) points.push(['no', 'not healthy']);
  const isReady = lackingPartner(session).length === 0;
  return {
    name,
    isThis: false,
    stand: holds ? 'holds' : isReady ? 'ready' : 'unready',
    word: holds ? 'Holds the session' : isReady ? 'Stands by' : 'Not ready',
    wire: holds && partner.proven ? 'open' : 'closed',
    points,
  };
}

const synced = ({ partner }: SessionStatusJson): Point =>
  partner.inSync ? ['yes', 'in sync'] : ['no', 'not in sync'];

function syncOf({ status, session: { partner } }: Told): Model['sync'] {
  const { trouble } = status.partner;
  if (trouble !== null) return { isGood: false, text: trouble };
  if (partner.heardAt === null)
    return { isGood: false, text: 'the routers have not heard each other' };
  const age = span(status.now - partner.heardAt);
  if (partner.role === null) return { isGood: false, text: `nothing heard for ${age}` };
  if (!partner.hearing) return { isGood: false, text: 'the partner does not hear this router' };
  return {
    isGood: partner.inSync,
    text: `${partner.inSync ? 'in sync' : 'not in sync'}, heard ${age} ago`,
  };
}

/** Since when the holder has held the session. Unknown if it already did when this supervisor started. */
function since({ status, history }: Told): string {
  const last = history?.holders.at(-1);
  if (last === undefined) return '';
  const age = `for ${span(status.now - last.time)}`;
  const at = clock(last.time, status.now);
  return last.isStart ? `since before ${at}, when this supervisor started` : `since ${at}, ${age}`;
}

function factsOf({ status, session }: Told): [string, string][] {
  const { session: facts, lastTakeover, link } = session;
  const rows: [string, string][] = [];
  if (facts === null) rows.push(['Session', 'none']);
  else {
    const id = `0x${facts.sessionId.toString(16).padStart(4, '0')}`;
    rows.push(
      ['Session', id],
      ['Up for', span(status.now - facts.since)],
      ['Access Concentrator', `${facts.acName} ${facts.acMac}`],
      ['Our address', facts.ourAddress ?? 'none'],
      ['AC’s address', facts.theirAddress ?? 'none'],
    );
    const { ipv6 } = facts;
    if (ipv6 !== null) rows.push(['Our IPv6', ipv6.ours], ['AC’s IPv6', ipv6.theirs]);
    if (facts.dns.length > 0) rows.push(['DNS', facts.dns.join(', ')]);
    rows.push(['MTU', String(facts.mtu)], ['Authenticated by', facts.auth]);
  }
  rows.push(['Phase here', session.phase]);
  if (link.attempts > 0) rows.push(['Dials failed', String(link.attempts)]);
  if (link.lastError !== null && !session.proven) rows.push(['Last error', link.lastError]);
  rows.push(['Epoch', `${session.epoch}, generation ${session.generation}`]);
  rows.push(['Line here', `${session.interface}, ${session.mac}`]);
  if (lastTakeover !== null) {
    const { at, provenAfterMs } = lastTakeover;
    const proof =
      provenAfterMs === null ? 'not proven yet' : `proven in ${milliseconds(provenAfterMs)}`;
    rows.push(['Last takeover here', `${clock(at, status.now)}, ${proof}`]);
  }
  return rows;
}
