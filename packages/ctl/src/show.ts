/** The status as a person reads it at a glance. It asks nothing. */
import type { SessionStatusJson, StatusJson } from '@ppp-thing/supervisor/api';

export function showStatus(status: StatusJson): string {
  const sessions = status.sessions.map((session) => showSession(session, status));
  const partner = status.partner.trouble === null ? [] : [`partner: ${status.partner.trouble}`];
  const helper = status.helper.connected ? [] : ['helper: away; nothing can be sent'];
  return [...helper, ...partner, ...sessions].join('\n');
}

function showSession(session: SessionStatusJson, { now }: StatusJson): string {
  const rows: [string, string][] = [
    ['role', `${session.role}, holder is ${session.holder}, epoch ${session.epoch}`],
    ['link', link(session, now)],
  ];
  const facts = session.session;
  if (facts === null) rows.push(['session', 'none']);
  else {
    rows.push(
      [
        'session',
        `${hex(facts.sessionId)} at ${facts.acMac} ${facts.acName}, up ${span(now - facts.since)}`,
      ],
      ['address', `${facts.ourAddress} -> ${facts.theirAddress}, mtu ${facts.mtu}, ${facts.auth}`],
    );
  }
  rows.push(['partner', partner(session, now)]);
  if (session.demoted.length > 0) rows.push(['demoted', session.demoted.join(', ')]);
  const takeover = session.lastTakeover;
  if (takeover !== null) {
    const proven =
      takeover.provenAfterMs === null
        ? 'not proven yet'
        : `proven after ${takeover.provenAfterMs} ms`;
    rows.push(['taken', `${span(now - takeover.at)} ago, epoch ${takeover.epoch}, ${proven}`]);
  }
  const lines = rows.map(([name, value]) => `  ${name.padEnd(9)}${value}`);
  return [`${session.name}  ${session.state.toUpperCase()}`, ...lines].join('\n');
}

function link({ phase, proven, carrier, link }: SessionStatusJson, now: number): string {
  if (!carrier) return 'no carrier';
  const parts: string[] = [phase];
  if (proven) parts.push('proven');
  if (link.echoRttMs !== null) parts.push(`echo ${link.echoRttMs} ms`);
  if (link.unansweredEchoes > 0) parts.push(`${link.unansweredEchoes} echoes unanswered`);
  if (link.attempts > 0) parts.push(`${link.attempts} dials failed`);
  if (link.nextDialAt !== null) parts.push(`next in ${span(link.nextDialAt - now)}`);
  if (link.lastError !== null) parts.push(link.lastError);
  return parts.join(', ');
}

function partner(
  { partner: { heardAt, role, healthy, armed, inSync } }: SessionStatusJson,
  now: number,
): string {
  if (heardAt === null) return 'not heard yet';
  if (role === null) return `silent for ${span(now - heardAt)}`;
  const parts = [role, healthy ? 'healthy' : 'not healthy'];
  if (armed) parts.push('armed');
  parts.push(inSync ? 'in sync' : 'not in sync', `heard ${span(now - heardAt)} ago`);
  return parts.join(', ');
}

const hex = (id: number): string => `0x${id.toString(16).padStart(4, '0')}`;

/** `0.4 s`, `12 s`, `3 min`, `5 h 2 min`, `4 d 3 h` */
export function span(ms: number): string {
  const seconds = Math.max(ms, 0) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
