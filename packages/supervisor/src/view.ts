/** Converts the supervisor's facts to the JSON of the API. It reads; it changes nothing. */
import { isNewer } from '@ppp-thing/protocol/session';
import { formatMac } from '@ppp-thing/protocol/wire/ethernet';
import { formatIpv4 } from '@ppp-thing/protocol/wire/ncp';
import { endOf } from '@ppp-thing/protocol/lease';
import { formatIpv6, formatLinkLocal } from '@ppp-thing/protocol/wire/ipv6';
import { printable } from '@ppp-thing/protocol/printable';
import {
  API_VERSION,
  type EventJson,
  type HealthJson,
  type SessionStatusJson,
  type StatusJson,
} from './api.ts';
import { wallClock } from './clock.ts';
import { formatPrefix } from './lease-text.ts';
import type { Happening, SessionView, Supervisor } from './supervisor.ts';
import { PARTS } from './takeover-parts.ts';

const MAX_AC_NAME = 64;

export function statusJson(supervisor: Supervisor): StatusJson {
  const helper = supervisor.helper();
  const partner = supervisor.partner();
  return {
    api: API_VERSION,
    version: supervisor.version,
    startedAt: Math.round(supervisor.startedAt),
    now: wallClock(),
    routerId: supervisor.routerId,
    helper: { connected: helper.connected, platform: helper.platform ?? null },
    partner: {
      protocol: partner.protocol,
      routerId: partner.routerId ?? null,
      address: partner.address ?? null,
      trouble: partner.trouble ?? null,
      clockOffsetMs: partner.clockOffset === undefined ? null : Math.round(partner.clockOffset),
      refused: partner.refused ?? {},
    },
    logLevel: supervisor.logLevel(),
    sessions: supervisor.sessions().map((session) => sessionJson(supervisor, session)),
  };
}

export function sessionJson(supervisor: Supervisor, view: SessionView): SessionStatusJson {
  const { status, settings, counters } = view;
  const { snapshot, link, lastTakeover } = status;
  const said = status.partner.message;
  const at = (instant: SessionView['status']['partner']['heardAt']): number | null =>
    instant === undefined ? null : Math.round(supervisor.timeOf(instant));
  return {
    name: view.name,
    interface: settings.interface,
    mac: settings.mac,
    user: settings.user,
    policy: settings.policy,
    role: status.role,
    state: status.state,
    holder: holderOf(snapshot.holder, supervisor.routerId),
    epoch: snapshot.epoch,
    generation: snapshot.generation,
    phase: link.phase,
    proven: status.proven,
    refused: status.refused ?? null,
    armed: status.armed,
    carrier: status.carrier,
    demoted: status.demoted,
    session: factsJson(view),
    dhcp6: dhcp6Json(view),
    link: {
      attempts: link.attempts,
      nextDialAt: at(link.nextDial),
      lastError: link.lastError ?? null,
      echoRttMs: link.echoRtt === undefined ? null : roundedSpan(link.echoRtt),
      unansweredEchoes: link.unansweredEchoes,
    },
    partner: {
      heardAt: at(status.partner.heardAt),
      role: said?.role ?? null,
      healthy: said?.healthy ?? false,
      armed: said?.armed ?? false,
      inSync:
        said !== undefined &&
        !isNewer(said.snapshot, snapshot) &&
        !isNewer(snapshot, said.snapshot),
      proven: said?.proven ?? false,
      hearing: said?.hearing ?? false,
      differs: view.partnerDiffers ?? null,
    },
    waits: status.waits.map(({ name, at }) => ({ name, at: Math.round(supervisor.timeOf(at)) })),
    lastTakeover:
      lastTakeover === undefined
        ? null
        : {
            at: Math.round(supervisor.timeOf(lastTakeover.at)),
            epoch: lastTakeover.epoch,
            provenAfterMs:
              lastTakeover.provenAfter === undefined ? null : roundedSpan(lastTakeover.provenAfter),
            parts: partsJson(view.takeoverParts),
          },
    counters: {
      ...counters,
      datagramsRefused: Object.values(counters.datagramsRefused).reduce((sum, n) => sum + n, 0),
    },
  };
}

type PartsJson = NonNullable<NonNullable<SessionStatusJson['lastTakeover']>['parts']>;

function partsJson(parts: SessionView['takeoverParts']): PartsJson | null {
  if (parts === undefined) return null;
  const ms = (span = NaN): number | null =>
    Number.isNaN(span) ? null : Math.round(span * 1000) / 1000;
  return Object.fromEntries(PARTS.map((part) => [part, ms(parts[part])])) as PartsJson;
}

export function holderOf(id: number, us: number): SessionStatusJson['holder'] {
  if (id === 0) return 'nobody';
  return id === us ? 'this router' : 'partner';
}

function factsJson({ status }: SessionView): SessionStatusJson['session'] {
  const { facts } = status.snapshot;
  if (facts === null) return null;
  return {
    sessionId: facts.key.sessionId,
    acMac: formatMac(facts.key.acMac),
    acName: printable(facts.acName, MAX_AC_NAME),
    ourAddress: facts.ourAddress ? formatIpv4(facts.ourAddress) : null,
    theirAddress: facts.theirAddress ? formatIpv4(facts.theirAddress) : null,
    ipv6:
      facts.interfaceIds === undefined
        ? null
        : {
            ours: formatLinkLocal(facts.interfaceIds.ours),
            theirs: formatLinkLocal(facts.interfaceIds.theirs),
          },
    dns: facts.dns.map(formatIpv4),
    mtu: Math.min(facts.theirMru, facts.maxPayload),
    auth: facts.auth,
    since: facts.startedAt * 1000,
  };
}

function dhcp6Json({ status }: SessionView): SessionStatusJson['dhcp6'] {
  const { dhcp6, snapshot } = status;
  if (dhcp6 === undefined) return null;
  const { state, lastError = null, sent, received, ignored } = dhcp6;
  const lease = snapshot.lease ?? null;
  const counts = { sent, received, ignored };
  if (lease === null) return { state, lastError, ...counts, lease };
  return {
    state,
    lastError,
    ...counts,
    lease: {
      prefixes: lease.prefixes.map(({ valid, ...prefix }) => ({
        prefix: formatPrefix(prefix),
        validUntil: endOf(lease, valid) ?? null,
      })),
      former: lease.former.map(formatPrefix),
      addresses: lease.addresses.map(({ address }) => formatIpv6(address)),
      dns: lease.dns.map(formatIpv6),
      aftr: lease.aftr === '' ? null : lease.aftr,
      grantedAt: lease.grantedAt * 1000,
      renewAt: endOf(lease, lease.t1) ?? null,
    },
  };
}

/**
 * Whether this router should be MASTER. A session that is down is no trouble here if it would be down on the other
 * router as well: the watchdog decides that, and demotes.
 */
export function healthJson(supervisor: Supervisor): HealthJson {
  const troubles: string[] = [];
  const warnings: string[] = [];
  for (const { name, status } of supervisor.sessions()) {
    if (!status.helper) troubles.push(`${name}: the helper is away`);
    else if (!status.carrier) troubles.push(`${name}: the line has no carrier`);
    if (status.demoted.length > 0) troubles.push(`${name}: demoted: ${status.demoted.join(', ')}`);
    const isDown = (status.state === 'Holding' || status.state === 'Yielding') && !status.proven;
    if (status.refused !== undefined)
      warnings.push(
        `${name}: nothing is forwarded: ${status.refused.action}: ${status.refused.code}`,
      );
    if (isDown) warnings.push(`${name}: the session is not up`);
    if (status.state === 'Fenced') warnings.push(`${name}: fenced: the partner is MASTER too`);
  }
  return { healthy: troubles.length === 0, troubles, warnings };
}

export function eventJson({ sequence, time, session, note, line }: Happening): EventJson {
  const rest = { ...note, to: note.to ?? null };
  return { sequence, time: Math.round(time), session, line, actions: [], facts: {}, ...rest };
}

/** Milliseconds, to the hundredth. */
export const roundedSpan = (span: number): number => Math.round(span * 100) / 100;
