/**
 * The Access Concentrator of the native pair: FreeBSD's own pppoed(8) and ppp(8), or where they cannot run the lab's, over
 * BPF. It says which, and why. What was said on the line is `line.ts`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endAll, type Commands, type Running } from './commands.ts';
import { AC_PORT, inside, LAN_NET } from './network.ts';
import { PASSWORD, USER } from './router.ts';

export type AcKind = 'pppoed' | 'lab';

const PPPOED = '/usr/libexec/pppoed';
const PPP = '/usr/sbin/ppp';
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
  /** After the session is up: let what is beyond it know the way to the LAN. */
  routeToLan(): Promise<void>;
}

/** Why pppoed(8) and ppp(8) cannot serve; undefined if they were started. */
type Refusal = string;

async function startPppoed({ commands, place, pause }: AcOptions): Promise<Running | Refusal> {
  for (const file of [PPPOED, PPP])
    if ((await commands.attempt('test', '-x', file)).code !== 0) return `there is no ${file}`;
  const directory = join(place, 'ppp');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'ppp.conf'), PPP_CONF, { mode: 0o600 });
  writeFileSync(join(directory, 'ppp.secret'), `${USER} ${PASSWORD}\n`, { mode: 0o600 });
  const mounted = await commands.attempt('mount', '-t', 'nullfs', directory, ETC_PPP);
  if (mounted.code !== 0) return `${mounted.line}: ${mounted.output.trim()}`;
  const words = [PPPOED, '-F', '-d', '-P', join(place, 'pppoed.pid'), '-a', 'pptac', '-l', 'ppt'];
  const log = join(place, 'ac-pppoed.log');
  const program = commands.start('pppoed', log, ...inside('ppt_ac', ...words, AC_PORT));
  await Promise.race([program.end, pause(STAYS_MS)]);
  if (program.ended() === undefined) return program;
  await unmount(commands, place);
  return `pppoed has ended: ${program.ended()}; see ${log}`;
}

/** Our directory off /etc/ppp, if it is there, also that of an earlier run. */
export async function unmount(commands: Commands, place: string): Promise<void> {
  const { output } = await commands.attempt('mount', '-p');
  const lines = output.split('\n').map((line) => line.split(/\s+/));
  for (const [from, on] of lines)
    if (from === join(place, 'ppp') && on === ETC_PPP) await commands.attempt('umount', ETC_PPP);
}

/**
 * Start the Access Concentrator.
 *
 * @param wanted  undefined: pppoed(8) if it can
 * @param say     which it is, and why
 */
export async function startAc(
  options: AcOptions,
  wanted: AcKind | undefined,
  say: (line: string) => void,
): Promise<Ac> {
  const { commands, place, runtime } = options;
  if (wanted !== 'lab') {
    const program = await startPppoed(options);
    if (typeof program !== 'string') {
      say('Access Concentrator: pppoed(8) and ppp(8) of this system');
      const route = ['route', 'add', '-net', LAN_NET, PUBLIC];
      const routeToLan = async (): Promise<void> => {
        await commands.run('route from ac to the LAN', ...inside('ppt_ac', ...route));
      };
      return { kind: 'pppoed', program, routeToLan };
    }
    if (wanted === 'pppoed') throw new Error(`start pppoed: ENOTSUP: ${program}`);
    say(`Access Concentrator: the lab's, because ${program}`);
  } else say("Access Concentrator: the lab's, as asked for");
  const file = fileURLToPath(new URL('lab-ac.js', import.meta.url));
  const words = inside('ppt_ac', runtime, file, AC_PORT, USER, PASSWORD);
  const program = commands.start('lab AC', join(place, 'ac-lab.log'), ...words);
  return { kind: 'lab', program, routeToLan: async () => {} };
}

/** End it. What it says on the line then is after everything that is judged. */
export async function stopAc({ program }: Ac, { commands, place }: AcOptions): Promise<void> {
  await endAll([program]);
  await unmount(commands, place);
}
