/**
 * `status --check`: one line and an exit code for Nagios and similar tools (0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN).
 */
import type { SessionStatusJson, StatusJson } from '@ppp-thing/supervisor/api';
import { CtlError, statusOf } from './client.ts';
import type { Context } from './command.ts';

const WORDS = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'] as const;
type PluginStatus = 0 | 1 | 2 | 3;

/** The problems of one session that deserve an alarm, worst first; empty if all is well. */
function troublesOf(
  session: SessionStatusJson,
  status: StatusJson,
): readonly (readonly [PluginStatus, string])[] {
  const { holder, proven, armed, partner, demoted } = session;
  const isMine = holder === 'this router';
  const hasPartner = status.partner.routerId !== null;
  const isFit = hasPartner && partner.healthy;
  const troubles: readonly (readonly [isSo: boolean, level: PluginStatus, text: string])[] = [
    [!status.helper.connected, 2, 'the helper is away'],
    [isMine && !proven, 2, 'the AC does not answer'],
    [holder === 'nobody', 2, 'no router holds the session'],
    [hasPartner && !isFit, 1, 'the partner is away or not fit'],
    [isFit && !partner.inSync, 1, 'the partner is not in sync'],
    [holder === 'partner' && !armed, 1, 'not ready to take over'],
    [isFit && isMine && !partner.armed, 1, 'the partner is not ready to take over'],
    [demoted.length > 0, 1, `demoted: ${demoted.join(', ')}`],
  ];
  return troubles.flatMap(([isSo, level, text]) => (isSo ? [[level, text] as const] : []));
}

/** The line, and its level. */
export function judgement(
  status: StatusJson,
  names: readonly string[],
): readonly [PluginStatus, string] {
  const sessions = status.sessions.filter(({ name }) => names.length === 0 || names.includes(name));
  const found = sessions.flatMap((session) =>
    troublesOf(session, status).map(
      ([level, text]) => [level, `${session.name}: ${text}`] as const,
    ),
  );
  const level = found.reduce<PluginStatus>((worst, [each]) => (each > worst ? each : worst), 0);
  const well = sessions.map(
    ({ name, holder }) =>
      `${name}: ${holder === 'partner' ? 'the partner' : holder} holds the session`,
  );
  const said = level === 0 ? well : found.map(([, text]) => text);
  return [level, `PPP_THING ${WORDS[level]} - ${said.join('; ')}`];
}

/** If the supervisor does not answer, the level is UNKNOWN: the session may still be up. */
export async function check(names: readonly string[], context: Context): Promise<number> {
  try {
    const [level, line] = judgement(await statusOf(context), names);
    context.print(line);
    return level;
  } catch (error) {
    if (!(error instanceof CtlError)) throw error;
    context.print(`PPP_THING UNKNOWN - ${error.message}`);
    return 3;
  }
}
