/** Formats the status for a person to read at a glance. It sends no request. */
import type { SessionStatusJson, StatusJson } from '@ppp-thing/supervisor/api';

type Tone = 'good' | 'busy' | 'bad';
const COLOUR = { good: 32, busy: 33, bad: 31 } as const;

interface ShowOptions {
  readonly colours: boolean;
  /** Show only these sessions, in full. Without it one session is shown in full, and several as a table. */
  readonly names?: readonly string[];
}

export function showStatus(status: StatusJson, { colours, names = [] }: ShowOptions): string {
  const paint = (tone: Tone, text: string): string =>
    colours ? `\u001b[${COLOUR[tone]}m${text}\u001b[0m` : text;
  const troubles = [
    ...(status.helper.connected ? [] : ['the helper is away: nothing can be sent or received']),
    ...(status.partner.trouble === null ? [] : [`partner: ${status.partner.trouble}`]),
  ].map((line) => paint('bad', line));
  const sessions = status.sessions.filter(({ name }) => names.length === 0 || names.includes(name));
  const shown =
    names.length === 0 && sessions.length > 1
      ? [table(sessions, status, paint)]
      : sessions.map((session) => block(session, status, paint));
  return [...troubles, ...shown].join('\n');
}

type Paint = (tone: Tone, text: string) => string;

/** The state of a session, in one sentence. */
export function verdict(session: SessionStatusJson): readonly [Tone, string] {
  const { state, proven, armed, carrier, holder } = session;
  if (!carrier && state !== 'Waiting') return ['bad', `no carrier on ${session.interface}`];
  if (state === 'Waiting') return ['busy', 'waiting for the partner'];
  if (state === 'Off') return ['busy', 'disconnected by the operator'];
  if (state === 'HangingUp') return ['busy', 'ending the session, as the operator asked'];
  if (state === 'Redialling') return ['busy', 'ending the session, to dial a new one'];
  if (state === 'Fenced') return ['bad', 'silent: the partner holds the session and is MASTER too'];
  if (state === 'Yielding') return ['busy', 'handing the session to the partner'];
  if (state === 'Standby') {
    if (armed) return ['good', 'standing by, ready to take over'];
    if (session.session === null) return ['busy', 'standing by; there is no session to take over'];
    return ['bad', 'standing by, not ready to take over'];
  }
  if (session.refused !== null) {
    const { action, code } = session.refused;
    return ['bad', `this router holds the session, and forwards nothing: ${action}: ${code}`];
  }
  if (proven) return ['good', 'this router holds the session'];
  if (session.session !== null && holder === 'this router') {
    return ['bad', 'this router holds the session, and the AC does not answer'];
  }
  return ['busy', 'no session yet'];
}

function block(session: SessionStatusJson, { now }: StatusJson, paint: Paint): string {
  const [tone, sentence] = verdict(session);
  const facts = session.session;
  const rows: [string, string][] = [
    ['role', `${session.role}, policy ${session.policy}`],
    ['holder', `${session.holder}, epoch ${session.epoch}`],
    ['phase', phase(session, now)],
    ['session', facts === null ? 'none' : described(facts, now)],
  ];
  if (facts !== null) {
    const sizes = `mtu ${facts.mtu}, ${facts.auth}`;
    const ends =
      facts.ourAddress === null ? 'no IPv4' : `${facts.ourAddress} -> ${facts.theirAddress}`;
    rows.push(['address', `${ends}, ${sizes}`]);
    if (facts.ipv6 !== null) rows.push(['ipv6', `${facts.ipv6.ours} -> ${facts.ipv6.theirs}`]);
    if (facts.dns.length > 0) rows.push(['dns', facts.dns.join(', ')]);
  }
  if (session.dhcp6 !== null) rows.push(['prefix', delegated(session.dhcp6, now)]);
  rows.push(['partner', partner(session, now)]);
  if (session.demoted.length > 0) rows.push(['demoted', session.demoted.join(', ')]);
  const waits = session.waits.filter(({ name }) => TOLD.has(name));
  if (waits.length > 0)
    rows.push(['waits', waits.map(({ name, at }) => `${name} ${span(at - now)}`).join(', ')]);
  rows.push(['takeover', takeover(session, now)]);
  const lines = rows.map(([name, value]) => `  ${name.padEnd(10)}${value}`);
  return [`${session.name}: ${paint(tone, sentence)}`, ...lines].join('\n');
}

/** `2001:db8:ab00::/56, ends in 2 h, renewed in 30 min` */
function delegated(
  { state, lastError, lease }: NonNullable<SessionStatusJson['dhcp6']>,
  now: number,
): string {
  const [first] = lease?.prefixes ?? [];
  const why = lastError === null ? '' : ` (${lastError})`;
  if (lease === null || first === undefined) return `none, ${state}${why}`;
  const names = lease.prefixes.map(({ prefix }) => prefix).join(', ');
  const ends = first.validUntil === null ? '' : `, ends in ${span(first.validUntil - now)}`;
  const renews =
    lease.renewAt === null ? '' : `, renewed in ${span(Math.max(0, lease.renewAt - now))}`;
  const aftr = lease.aftr === null ? '' : `, AFTR ${lease.aftr}`;
  return `${names}${ends}${renews}${aftr}${why}`;
}

/** Deadlines that explain why nothing happens yet. The others always run. */
const TOLD: ReadonlySet<string> = new Set([
  'hold-down',
  'handoff',
  'down',
  'patience',
  'release',
  'watchdog',
  'retry',
  'unseen',
  'unannounced',
  'PADI',
  'PADR',
  'offers',
  'reattach',
  'phase',
  'ipcp',
  'auth',
  'probe',
]);

const HEAD = [
  'SESSION',
  'ROLE',
  'HOLDER',
  'STATE',
  'PHASE',
  'ADDRESS',
  'UP',
  'ECHO',
  'PARTNER',
  'TAKEOVER',
];

/** A line for each session. */
function table(sessions: readonly SessionStatusJson[], { now }: StatusJson, paint: Paint): string {
  const rows = sessions.map((each) => [
    each.name,
    each.role,
    each.holder,
    each.state,
    each.phase,
    each.session?.ourAddress ?? each.session?.ipv6?.ours ?? '-',
    each.session === null ? '-' : span(now - each.session.since),
    each.link.echoRttMs === null ? '-' : `${each.link.echoRttMs} ms`,
    brief(each, now),
    each.lastTakeover === null ? '-' : `${span(now - each.lastTakeover.at)} ago`,
  ]);
  const widths = HEAD.map((_, column) =>
    Math.max(...[HEAD, ...rows].map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  const tones = sessions.map((each) => verdict(each)[0]);
  return [line(HEAD), ...rows.map((row, i) => paint(tones[i] ?? 'bad', line(row)))].join('\n');
}

function phase({ phase, proven, carrier, link }: SessionStatusJson, now: number): string {
  if (!carrier) return `${phase}, no carrier`;
  const parts: string[] = [phase];
  if (proven && link.echoRttMs !== null) parts.push(`echo ${link.echoRttMs} ms`);
  if (link.unansweredEchoes > 0) parts.push(`${link.unansweredEchoes} echoes unanswered`);
  if (link.attempts > 0) parts.push(dials(phase, link.attempts));
  if (link.nextDialAt !== null) parts.push(`next in ${span(link.nextDialAt - now)}`);
  if (link.lastError !== null && !proven) parts.push(link.lastError);
  return parts.join(', ');
}

const dials = (phase: string, attempts: number): string => {
  if (phase !== 'Wait') return `dial ${attempts}`;
  return attempts === 1 ? '1 dial failed' : `${attempts} dials failed`;
};

type Facts = NonNullable<SessionStatusJson['session']>;

const described = ({ sessionId, acMac, acName, since }: Facts, now: number): string =>
  `0x${sessionId.toString(16).padStart(4, '0')} with ${acMac} ${acName}, up ${span(now - since)}`;

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

function brief({ partner: { heardAt, role, inSync } }: SessionStatusJson, now: number): string {
  if (heardAt === null) return 'not heard';
  const age = span(now - heardAt);
  if (role === null) return `silent ${age}`;
  return `${inSync ? 'in sync' : 'not in sync'}, ${age}`;
}

function takeover({ lastTakeover }: SessionStatusJson, now: number): string {
  if (lastTakeover === null) return 'none since the supervisor started';
  const { at, epoch, provenAfterMs, parts } = lastTakeover;
  const proven = provenAfterMs === null ? 'not proven yet' : `proven after ${provenAfterMs} ms`;
  const steps = Object.entries(parts ?? {})
    .filter(([, ms]) => ms !== null)
    .map(([part, ms]) => `${part} ${ms}`);
  const apart = steps.length === 0 ? '' : `; from the edge, ms: ${steps.join(', ')}`;
  return `${span(now - at)} ago, epoch ${epoch}, ${proven}${apart}`;
}

/** `0.4 s`, `12 s`, `3 min`, `5 h 2 min`, `4 d 3 h` */
export function span(ms: number): string {
  const seconds = Math.max(ms, 0) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
