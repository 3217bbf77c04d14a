/**
 * Formats the facts as Prometheus text, with the official client. It keeps no state between two readings; other modules
 * count. With a thousand sessions the text has 150,000 lines, so it is made in pieces, and everything else comes between.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import { REQUESTS } from '@ppp-thing/protocol/ipc/messages';
import { TAKEOVER_BOUNDS, type Events, type EventTally } from './event-tally.ts';
import { sessionJson } from './view.ts';
import type { SessionStatusJson } from './api.ts';
import type { Supervisor, Traffic } from './supervisor.ts';

type Labels = Readonly<Record<string, string>>;
/** A value and its labels; null leaves the sample out. */
type Sample = readonly [value: number | boolean | null, labels?: Labels];

const ROLES = ['INIT', 'BACKUP', 'MASTER'] as const;
const STATES = [
  'Waiting',
  'Standby',
  'Holding',
  'Yielding',
  'Fenced',
  'HangingUp',
  'Redialling',
  'Off',
] as const;
/** `hello` and `counters` belong to no action of a session. */
const VERBS = Object.keys(REQUESTS).filter((verb) => verb !== 'hello' && verb !== 'counters');
const REASONS = ['hold-down', 'watchdog', 'handoff', 'no-role'] as const;

const seconds = (ms: number | null | undefined): number | null =>
  ms === null || ms === undefined ? null : ms / 1000;

const directions = (octetsIn: number, octetsOut: number): Sample[] => [
  [octetsIn, { direction: 'in' }],
  [octetsOut, { direction: 'out' }],
];

/** A metric of one session: name, help, samples. */
type Measure = readonly [string, string, (json: SessionStatusJson) => readonly Sample[]];

// prettier-ignore
const GAUGES: readonly Measure[] = [
  ['role', '1 for the role that CARP gives this router', ({ role }) => ROLES.map((each) => [each === role, { role: each }])],
  ['state', '1 for the state of ownership', ({ state }) => STATES.map((each) => [each === state, { state: each }])],
  ['holder', '1 while this router holds the session', ({ holder }) => [[holder === 'this router']]],
  ['proven', '1 while the AC answers this router', ({ proven }) => [[proven]]],
  ['refused', '1 while the kernel refuses the addresses or the route of the session', ({ refused }) => [[refused !== null]]],
  ['armed', '1 while this router stands by, ready to take the session', ({ armed }) => [[armed]]],
  ['carrier', '1 while the line has carrier', ({ carrier }) => [[carrier]]],
  ['demoted', '1 while this router is demoted for this reason', ({ demoted }) => REASONS.map((each) => [demoted.includes(each), { reason: each }])],
  ['epoch', 'changes of holder, on both routers together', ({ epoch }) => [[epoch]]],
  ['session_start_time_seconds', 'when the session came up; absent without one', ({ session }) => [[seconds(session?.since)]]],
  ['dials', 'begun since the last that succeeded', ({ link }) => [[link.attempts]]],
  ['echo_rtt_seconds', 'of the last answered Echo-Request', ({ link }) => [[seconds(link.echoRttMs)]]],
  ['echoes_unanswered', 'Echo-Requests since the last answer', ({ link }) => [[link.unansweredEchoes]]],
  ['partner_in_sync', '1 while the partner has our snapshot', ({ partner }) => [[partner.inSync]]],
  ['partner_healthy', '1 while the partner reports that it could hold the session', ({ partner }) => [[partner.healthy]]],
  ['partner_heard_time_seconds', 'when the partner was last heard', ({ partner }) => [[seconds(partner.heardAt)]]],
  ['takeover_time_seconds', 'when this router last took the session', ({ lastTakeover }) => [[seconds(lastTakeover?.at)]]],
  ['takeover_proven_seconds', 'from then until the AC answered', ({ lastTakeover }) => [[seconds(lastTakeover?.provenAfterMs)]]],
  ['takeover_part_seconds', 'of the last takeover, from the change of role to this step', ({ lastTakeover }) => Object.entries(lastTakeover?.parts ?? {}).map(([part, ms]) => [seconds(ms), { part }])],
  ['dhcp6_bound', '1 while this router has a lease that it need not ask for', ({ dhcp6 }) => [[dhcp6?.state === 'Bound']]],
  ['prefix_expiry_time_seconds', 'when the first delegated prefix ends; absent without one', ({ dhcp6 }) => [[seconds(dhcp6?.lease?.prefixes[0]?.validUntil)]]],
];

// prettier-ignore
const COUNTERS: readonly Measure[] = [
  ['frames_total', 'discovery and control packets', ({ counters: { framesIn, framesOut } }) => directions(framesIn, framesOut)],
  ['frames_dropped_total', 'received and dropped: not understood, or too many', ({ counters }) => [[counters.framesMalformed, { reason: 'malformed' }], [counters.framesShed, { reason: 'shed' }]]],
  ['requests_refused_total', 'by the helper or the kernel', ({ counters }) => [[counters.refusals]]],
  ['kernel_refusals_total', 'the same, by the verb of the request', ({ counters }) => VERBS.map((verb) => [counters.refusalsByVerb[verb] ?? 0, { verb }])],
  ['echoes_lost_total', 'Echo-Requests that the AC did not answer', ({ counters }) => [[counters.echoesLost]]],
  ['stores_total', 'snapshots written', ({ counters }) => [[counters.stores]]],
  ['stores_failed_total', 'snapshots that could not be written', ({ counters }) => [[counters.storeFailures]]],
  ['datagrams_total', 'of the partner channel', ({ counters: { datagramsIn, datagramsOut } }) => directions(datagramsIn, datagramsOut)],
  ['datagrams_refused_total', 'of the partner channel, not believed', ({ counters }) => [[counters.datagramsRefused]]],
  ['dhcp6_messages_total', 'to and from DHCPv6 servers', ({ dhcp6 }) => directions(dhcp6?.received ?? 0, dhcp6?.sent ?? 0)],
  ['dhcp6_ignored_total', 'from DHCPv6 servers, and not for us', ({ dhcp6 }) => [[dhcp6?.ignored ?? 0]]],
];

const labelled = (counts: ReadonlyMap<string, number>, label: string): Sample[] =>
  Array.from(counts, ([key, count]) => [count, { [label]: key }]);

// prettier-ignore
const EVENTS: readonly (readonly [string, string, (events: Events) => readonly Sample[]])[] = [
  ['dials_total', 'begun', ({ dials }) => [[dials]]],
  ['takeovers_total', 'times this router took the session, by cause', ({ takeovers }) => labelled(takeovers, 'cause')],
  ['handoffs_total', 'of this router, done or undone', ({ handoffs }) => labelled(handoffs, 'result')],
  ['sessions_ended_total', 'sessions that ended on this router, by reason', ({ ended }) => labelled(ended, 'reason')],
];

const FROM_KERNEL = 'of the data path, from the kernel';
const TRAFFIC: readonly (readonly [string, string, (traffic?: Traffic) => readonly Sample[]])[] = [
  ['traffic_octets_total', FROM_KERNEL, (of) => (of ? directions(of.octetsIn, of.octetsOut) : [])],
  [
    'traffic_packets_total',
    FROM_KERNEL,
    (of) => (of ? directions(of.packetsIn, of.packetsOut) : []),
  ],
];

const DURATION = 'ppp_thing_takeover_duration_seconds';

/** Writes a histogram by hand: the client's own would count by itself, and `EventTally` has counted already. */
function durations(sessions: readonly string[], tally: EventTally): string {
  const lines = sessions.flatMap((name) => {
    const { within, count, sum } = tally.of(name).proven;
    const session = `session="${name}"`;
    return [
      ...TAKEOVER_BOUNDS.map(
        (le, i) => `${DURATION}_bucket{${session},le="${le}"} ${within[i] ?? 0}`,
      ),
      `${DURATION}_bucket{${session},le="+Inf"} ${count}`,
      `${DURATION}_sum{${session}} ${sum}`,
      `${DURATION}_count{${session}} ${count}`,
    ];
  });
  const head = [
    `# HELP ${DURATION} from taking the session until the AC answered`,
    `# TYPE ${DURATION} histogram`,
  ];
  return [...head, ...lines, ''].join('\n');
}

/** Sessions looked at in one turn. */
const PIECE = 64;
/** Lets the sessions' own work come first. */
const pause = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** The text of one metric. */
function metric(
  Kind: typeof Gauge | typeof Counter,
  name: string,
  help: string,
  samples: Iterable<Sample>,
): Promise<string> {
  const registry = new Registry();
  const labelNames = 'session role state reason direction version cause result part verb'.split(
    ' ',
  );
  const made = new Kind({ name: `ppp_thing_${name}`, help, labelNames, registers: [registry] });
  for (const [value, labels = {}] of samples) if (value !== null) made.inc(labels, Number(value));
  return registry.metrics();
}

/** Each session's samples of one metric, labelled with its name. */
function* perSession<T>(
  each: Iterable<readonly [session: string, T]>,
  samples: (of: T) => readonly Sample[],
): Generator<Sample> {
  for (const [session, of] of each)
    for (const [value, labels] of samples(of)) yield [value, { session, ...labels }];
}

/** All metrics of all sessions. Traffic comes from the helper, and is left out if it does not answer. */
export async function metricsText(supervisor: Supervisor, tally: EventTally): Promise<string> {
  const { clockOffset } = supervisor.partner();
  const offset = 'how far the partner’s clock is ahead of ours; absent while it is silent';
  const texts = [
    await metric(Gauge, 'info', 'the version that runs', [[1, { version: supervisor.version }]]),
    await metric(Gauge, 'start_time_seconds', 'of this process', [[supervisor.startedAt / 1000]]),
    await metric(Gauge, 'helper_connected', '1 while the helper answers', [
      [supervisor.helper().connected],
    ]),
    await metric(Gauge, 'partner_clock_offset_seconds', offset, [[seconds(clockOffset)]]),
  ];
  const add = async <T>(
    Kind: typeof Gauge | typeof Counter,
    [name, help, samples]: readonly [string, string, (of: T) => readonly Sample[]],
    each: Iterable<readonly [session: string, T]>,
  ): Promise<void> => {
    await pause();
    texts.push(await metric(Kind, name, help, perSession(each, samples)));
  };

  const sessions: (readonly [string, SessionStatusJson])[] = [];
  for (const view of supervisor.sessions()) {
    sessions.push([view.name, sessionJson(supervisor, view)]);
    if (sessions.length % PIECE === 0) await pause();
  }
  for (const measure of GAUGES) await add(Gauge, measure, sessions);
  for (const measure of COUNTERS) await add(Counter, measure, sessions);
  const names = sessions.map(([name]) => name);
  const events = names.map((name) => [name, tally.of(name)] as const);
  for (const measure of EVENTS) await add(Counter, measure, events);
  const asked = names.map(async (name) => [name, await supervisor.traffic(name)] as const);
  const traffic = await Promise.all(asked);
  for (const measure of TRAFFIC) await add(Counter, measure, traffic);
  await pause();
  return [...texts, durations(names, tally)].join('\n');
}
