/** What the lab found, as a table for people and as JSON for programs, and whether that is a success. */
import type { SceneResult } from './scenes.ts';

export interface Summary {
  readonly ok: boolean;
  readonly sessionIdBefore: number;
  readonly sessionIdAfter: number;
  readonly redials: number;
  /** From the power cut to the first answered probe. */
  readonly takeoverMs: number;
  /** The part of it after CARP's edge. */
  readonly takeoverAfterRoleMs: number;
  readonly dialMs: number;
  readonly probesSent: number;
  readonly probesLost: number;
  /** The delegated prefix on both LANs from the dial on; null: nobody asked for one. */
  readonly prefix: string | null;
  /** Messages that the DHCPv6 server received at the dial, and in all of the other scenes. */
  readonly dhcp6: { readonly atDial: number; readonly atMoves: number };
  /** At the end `disconnect` gave the prefix back; false: that was not played. */
  readonly released: boolean;
  /** After that, with an AC without IPv4: the prefix on both LANs. Null: that was not played. */
  readonly ipv6Only: string | null;
  /** PADT frames of the routers. */
  readonly padt: number;
  readonly lcpNegotiations: number;
  /** Packets from the LAN that passed the link between the routers twice. */
  readonly looped: number;
  /** Milliseconds for which both gates were open, in all. */
  readonly gatesOverlapMs: number;
  /** What the AC and the witness on the line held against the routers. */
  readonly violations: readonly string[];
  readonly scenes: readonly SceneResult[];
}

export type Findings = Pick<
  Summary,
  'released' | 'ipv6Only' | 'padt' | 'lcpNegotiations' | 'looped' | 'gatesOverlapMs' | 'violations'
>;

/** The sum of the scenes and of what was seen on the line. */
export function summarise(scenes: readonly SceneResult[], findings: Findings): Summary {
  const sum = (of: (scene: SceneResult) => number): number =>
    scenes.reduce((total, scene) => total + of(scene), 0);
  const sessionIdBefore = scenes[0]?.sessionId ?? 0;
  const sessionIdAfter = scenes.at(-1)?.sessionId ?? 0;
  const redials = sum((scene) => scene.redials);
  const cut = scenes.find(({ name }) => name === 'power-cut');
  const [{ prefix, dhcp6: atDial } = { prefix: undefined, dhcp6: 0 }] = scenes;
  const dhcp6 = { atDial, atMoves: sum((scene) => scene.dhcp6) - atDial };
  const isOne = scenes.every((it) => it.sessionId === sessionIdBefore && it.prefix === prefix);
  const { padt, lcpNegotiations, violations } = findings;
  return {
    ok:
      isOne &&
      sessionIdBefore !== 0 &&
      redials === 0 &&
      dhcp6.atMoves === 0 &&
      padt === 0 &&
      lcpNegotiations === 1 &&
      violations.length === 0,
    sessionIdBefore,
    sessionIdAfter,
    redials,
    takeoverMs: cut?.takeoverMs ?? 0,
    takeoverAfterRoleMs: cut?.afterRoleMs ?? 0,
    dialMs: scenes[0]?.dialMs ?? 0,
    probesSent: sum((scene) => scene.probesSent),
    probesLost: sum((scene) => scene.probesLost),
    prefix: prefix ?? null,
    dhcp6,
    ...findings,
    scenes,
  };
}

/** Lines of a table, and below it what decides. */
export function formatSummary(summary: Summary): string {
  const head = ['scene', 'SESSION_ID', 'holder', 'redials', 'lost', 'of', 'outage', 'after CARP'];
  const rows = summary.scenes.map((scene) => [
    scene.title,
    String(scene.sessionId),
    scene.holder,
    String(scene.redials),
    String(scene.probesLost),
    String(scene.probesSent),
    scene.probesLost === 0 ? '-' : `${scene.outageMs} ms`,
    scene.afterRoleMs === undefined ? '-' : `${scene.afterRoleMs} ms`,
  ]);
  const widths = head.map((name, i) =>
    Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) =>
        i === 0 || i === 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const { sessionIdBefore: before, sessionIdAfter: after, redials, prefix, dhcp6 } = summary;
  return [
    line(head),
    line(widths.map((width) => '-'.repeat(width))),
    ...rows.map(line),
    '',
    `SESSION_ID        ${before} before, ${after} after; ${redials} redials`,
    `dial              ${summary.dialMs} ms from PADI to data`,
    `takeover          ${summary.takeoverMs} ms after the power cut, ${summary.takeoverAfterRoleMs} ms after CARP said so`,
    prefix === null
      ? 'prefix            none: only under Node.js does the lab have DHCPv6'
      : `prefix            ${prefix} on both LANs; DHCPv6: ${dhcp6.atDial} messages at the dial, ${dhcp6.atMoves} since${summary.released ? ', Release at disconnect' : ''}`,
    `IPv6 alone        ${summary.ipv6Only ?? 'not played'}${summary.ipv6Only === null ? '' : ' on both LANs, from an AC without IPv4'}`,
    `on the line       ${summary.padt} PADT, ${summary.lcpNegotiations} LCP negotiation, both gates open for ${summary.gatesOverlapMs} ms`,
    `between routers   ${summary.looped} packets passed twice`,
    `violations        ${summary.violations.length}`,
    ...summary.violations.map((text) => `                  ${text}`),
    '',
    summary.ok ? 'one session, moved, never redialled' : 'NOT as promised',
    '',
  ].join('\n');
}
