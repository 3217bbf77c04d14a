/**
 * The Access Concentrator of the native pair: the lab's, over BPF in a jail, or where it is asked for FreeBSD's own pppoed(8)
 * and ppp(8), on the host. What was said on the line is `line.ts`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Commands, Running } from './commands.ts';
import { AC_AT, AC_PORT, inside, LAN_NET, type AcKind } from './network.ts';
import { PASSWORD, USER } from './router.ts';

export const PPPOED = '/usr/libexec/pppoed';
export const PPP = '/usr/sbin/ppp';
/** Where ppp(8) looks, and nowhere else: our directory is laid over it while the tests run. */
export const ETC_PPP = '/etc/ppp';
export const PUBLIC = '100.64.0.11';
const OURS = '100.64.0.1';
/** pppoed(8) that cannot have its interface or its node ends at once. */
const STAYS_MS = 1500;

const PPP_CONF = `default:
 set log Phase LCP IPCP Warning Error Alert

ppt:
 allow mode direct
 set timeout 0
 set mru 1492
 set mtu 1492
 disable acfcomp protocomp vjcomp pred1 deflate lqr ipv6cp
 deny acfcomp protocomp vjcomp pred1 deflate lqr
 enable chap
 enable echo
 set lqrperiod 10
 set echoperiod 10
 set ifaddr ${OURS} ${PUBLIC} 255.255.255.255
`;

export interface AcOptions {
  readonly commands: Commands;
  readonly runtime: string;
  readonly place: string;
  readonly pause: (milliseconds: number) => Promise<void>;
}

export interface Ac {
  readonly kind: AcKind;
  readonly program: Running;
}

/** Throws if pppoed(8) ends at once. What it needs was looked at before (`needs.ts`). */
async function startPppoed({ commands, place, pause }: AcOptions): Promise<Running> {
  const directory = join(place, 'ppp');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'ppp.conf'), PPP_CONF, { mode: 0o600 });
  writeFileSync(join(directory, 'ppp.secret'), `${USER} ${PASSWORD}\n`, { mode: 0o600 });
  const mounting = ['-t', 'nullfs', directory, ETC_PPP];
  await commands.run('lay our files over /etc/ppp', 'mount', ...mounting);
  const words = [PPPOED, '-F', '-d', '-P', join(place, 'pppoed.pid'), '-a', 'pptac', '-l', 'ppt'];
  const log = join(place, 'ac-pppoed.log');
  const program = commands.start('pppoed', log, ...inside(AC_AT.pppoed, ...words, AC_PORT));
  await Promise.race([program.end, pause(STAYS_MS)]);
  if (program.ended() !== undefined)
    throw new Error(`start pppoed: ECHILD: it has ended: ${program.ended()}; see ${log}`);
  return program;
}

/** The lab's, which gets an interface of its jail for what it forwards; without one it pings all the same. */
async function startLab({ commands, place, runtime }: AcOptions): Promise<Running> {
  const file = fileURLToPath(new URL('lab-ac.js', import.meta.url));
  const at = AC_AT.lab;
  const made = await commands.attempt(...inside(at, 'ifconfig', 'tun', 'create'));
  const tun = made.code === 0 ? made.output.trim() : '';
  const addresses = ['inet', OURS, PUBLIC, 'mtu', '1492', 'up'];
  if (tun !== '') await commands.run('address', ...inside(at, 'ifconfig', tun, ...addresses));
  const words = [runtime, file, AC_PORT, USER, PASSWORD, ...(tun === '' ? [] : [`/dev/${tun}`])];
  return commands.start('lab AC', join(place, 'ac-lab.log'), ...inside(at, ...words));
}

/** Start the Access Concentrator. @param say  which it is */
export async function startAc(
  options: AcOptions,
  kind: AcKind,
  say: (line: string) => void,
): Promise<Ac> {
  say(`Access Concentrator: ${kind === 'lab' ? "the lab's" : 'pppoed(8) and ppp(8) of this host'}`);
  const program = await (kind === 'lab' ? startLab(options) : startPppoed(options));
  return { kind, program };
}

/** Let what is beyond pppoed(8) know the way to the LAN, or forget it. */
export const routeToLan = (verb: 'add' | 'delete'): readonly [string, ...string[]] =>
  inside(AC_AT.pppoed, 'route', verb, '-net', LAN_NET, PUBLIC);

/**
 * Take away what pppoed(8) and ppp(8) are and have on the host, also those of a run that was killed: a jail would take its
 * programs and routes with it, the host does not.
 */
export async function clearPppoed(commands: Commands, place: string): Promise<void> {
  const { output: list } = await commands.attempt('mount', '-p');
  const isOurs = list.split('\n').some((line) => {
    const [from, on] = line.split(/\s+/);
    return from === join(place, 'ppp') && on === ETC_PPP;
  });
  if (!isOurs) return;
  for (const pattern of [`^${PPPOED} .* ${AC_PORT}$`, `^${PPP} -direct ppt$`]) {
    const { code, output } = await commands.attempt('pgrep', '-f', pattern);
    if (code === 0) await commands.attempt('kill', '-9', ...output.trim().split(/\s+/));
  }
  await commands.attempt(...routeToLan('delete'));
  await commands.attempt('umount', ETC_PPP);
}
