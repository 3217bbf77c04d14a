/** The facts as Prometheus text, through the official client's text format. It keeps no state between two readings. */
import { Gauge, Registry } from 'prom-client';
import type { Supervisor } from './supervisor.ts';
import { sessionJson } from './view.ts';

const ROLES = ['INIT', 'BACKUP', 'MASTER'] as const;

/** Everything of every session; traffic is asked of the helper, and left out if it does not answer. */
export async function metricsText(supervisor: Supervisor): Promise<string> {
  const registry = new Registry();
  const gauge = (name: string, help: string, labels: readonly string[] = []): Gauge =>
    new Gauge({
      name: `ppp_thing_${name}`,
      help,
      labelNames: ['session', ...labels],
      registers: [registry],
    });
  const role = gauge('role', '1 for the role CARP gives this router', ['role']);
  const proven = gauge('session_proven', '1 while the AC answers this router');
  const epoch = gauge('epoch', 'changes of holder');
  const rtt = gauge('echo_rtt_seconds', 'of the last answered Echo-Request');
  const heard = gauge('partner_in_sync', '1 while the partner has our snapshot');
  const demoted = gauge('demoted', '1 while we demote ourselves in CARP');
  const counter = gauge('events_total', 'since this process started', ['event']);
  const traffic = gauge('traffic_total', 'of the data path', ['unit', 'direction']);
  for (const view of supervisor.sessions()) {
    const session = view.name;
    const json = sessionJson(supervisor, view);
    for (const each of ROLES) role.set({ session, role: each }, json.role === each ? 1 : 0);
    proven.set({ session }, json.proven ? 1 : 0);
    epoch.set({ session }, json.epoch);
    if (json.link.echoRttMs !== null) rtt.set({ session }, json.link.echoRttMs / 1000);
    heard.set({ session }, json.partner.inSync ? 1 : 0);
    demoted.set({ session }, json.demoted.length > 0 ? 1 : 0);
    for (const [event, count] of Object.entries(json.counters)) {
      counter.set({ session, event }, count);
    }
    const octets = await supervisor.traffic(session);
    if (octets === undefined) continue;
    traffic.set({ session, unit: 'octets', direction: 'in' }, octets.octetsIn);
    traffic.set({ session, unit: 'octets', direction: 'out' }, octets.octetsOut);
    traffic.set({ session, unit: 'packets', direction: 'in' }, octets.packetsIn);
    traffic.set({ session, unit: 'packets', direction: 'out' }, octets.packetsOut);
  }
  return registry.metrics();
}
