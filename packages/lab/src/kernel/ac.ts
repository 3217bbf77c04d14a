/**
 * The Access Concentrator of the kernel lab: rp-pppoe's `pppoe-server`, which starts Debian's `pppd` for each session.
 * It also dials once with stock `pppd`, as the measure of our own dialling. What the AC saw is read from its log.
 */
import { writeFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { execa, type ResultPromise } from 'execa';
import { GUEST_RESULT } from './uml.ts';
import { inside } from './net.ts';

export type Auth = 'chap' | 'pap';

export const USER = 'alice';
export const PASSWORD = 'secret1';

const LOG = `${GUEST_RESULT}/ac.log`;

/** The AC's echo budget is `echoFailures` seconds. */
const options = (auth: Auth, echoFailures: number): string =>
  [
    auth === 'chap' ? 'require-chap' : 'require-pap',
    'lcp-echo-interval 1',
    `lcp-echo-failure ${echoFailures}`,
    'ms-dns 10.9.9.9',
    'netmask 255.255.255.255',
    'nobsdcomp',
    'noccp',
    'novj',
    'mtu 1492',
    'mru 1492',
    'debug',
    `logfile ${LOG}`,
    '',
  ].join('\n');

export interface AcLog {
  /** Sessions for which the AC started a pppd. */
  readonly sessions: number;
  /** Times the AC agreed to our LCP options. */
  readonly lcpNegotiations: number;
  /** Times IPCP came up. */
  readonly opened: number;
  readonly terminated: number;
}

/** What the log says, from octet `from` on. */
export async function readAcLog(from = 0): Promise<AcLog> {
  const text = (await readFile(LOG, 'utf8').catch(() => '')).slice(from);
  const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
  return {
    sessions: count(/^Connect: /gm),
    // The same Configure-Ack twice is one negotiation: our Configure-Request was sent again.
    lcpNegotiations: new Set(text.match(/sent \[LCP ConfAck.*/g)).size,
    opened: count(/^remote IP address/gm),
    terminated: count(/^Connection terminated/gm),
  };
}

export const acLogLength = async (): Promise<number> =>
  (await readFile(LOG, 'utf8').catch(() => '')).length;

/** Lay down the AC's files. `/etc/ppp` becomes the lab's own for the whole guest. */
export async function prepareAc(
  auth: Auth,
  echoFailures = 4,
  account = { user: USER, password: PASSWORD },
): Promise<void> {
  await mkdir('/run/ppp', { recursive: true });
  const secrets = `"${account.user}" * "${account.password}" *\n`;
  await writeFile('/run/ppp/options', '');
  await writeFile('/run/ppp/chap-secrets', secrets, { mode: 0o600 });
  await writeFile('/run/ppp/pap-secrets', secrets, { mode: 0o600 });
  await writeFile('/run/ppp/server', options(auth, echoFailures));
  await execa('mount', ['--bind', '/run/ppp', '/etc/ppp']);
}

const SILENT = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore', reject: false } as const;

/** Start the AC; it serves until it is killed. */
export function startAc(...more: readonly string[]): ResultPromise<typeof SILENT> {
  const words = ['-F', '-I', 'eth0', '-C', 'labac', '-S', 'isp', '-L', '10.67.0.1'];
  const pool = ['-R', '10.67.15.1', '-N', '16', '-O', '/etc/ppp/server'];
  return execa('ip', inside('ac', 'pppoe-server', ...words, ...pool, ...more), SILENT);
}

/** pppd as pppoe-server starts it, but for the second word: the program that would carry each octet, `pppoe … -e SESSION …`. */
const KERNEL_MODE = `#!/bin/sh
session=\${2#*-e }
shift 2
exec pppd plugin pppoe.so rp_pppoe_sess "\${session%% *}" nic-eth0 "$@"
`;

/** The same, with the data in the kernel; Debian's pppoe-server has no option for it. */
export function startQuickAc(): ReturnType<typeof startAc> {
  writeFileSync('/run/ppp/pppd', KERNEL_MODE, { mode: 0o755 });
  return startAc('-q', '/run/ppp/pppd');
}

const PROMPT = fileURLToPath(new URL('./prompt-ac.js', import.meta.url));

/** An AC whose first Configure-Request follows its PADS at once; pppoe-server's comes about a second later. */
export function startPromptAc(): ResultPromise<typeof SILENT> {
  return execa('ip', inside('ac', process.execPath, PROMPT, 'eth0', LOG, USER, PASSWORD), SILENT);
}

/** The words of a stock client on `device`; it logs every packet. */
export const stockClient = (device: string): string[] =>
  [
    `plugin pppoe.so nic-${device} user ${USER} password ${PASSWORD}`,
    'noauth noccp novj noipv6 mtu 1492 mru 1492 lcp-restart 1 nodefaultroute nodetach debug',
  ]
    .join(' ')
    .split(' ');
