/**
 * In the guest: a stock pppd dials from r1, r1 is cut off, and the Linux backend in r2 carries the session on. Prints
 * `@result` and a JSON object on one line.
 */
import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { prepareAc, readAcLog, startAc, stockClient } from '@ppp-thing/lab/kernel/ac';
import { INTERNET, buildNetwork, inside, plug } from '@ppp-thing/lab/kernel/net';
import { fileURLToPath } from 'node:url';

const MAC = '02:00:5e:10:53:01';
const HOLDER = fileURLToPath(new URL('./holder.js', import.meta.url));

await buildNetwork();
await execa('ip', ['-n', 'r1', '-batch', '-'], {
  input: `link add link eth0 name wan0 address ${MAC} type macvlan mode private\nlink set wan0 up\n`,
});
await prepareAc('chap');
const ac = startAc();

const stock = execa('ip', inside('r1', 'pppd', ...stockClient('wan0')), {
  stdin: 'ignore',
  stdout: { file: '/run/stock.log' },
  stderr: 'ignore',
  reject: false,
});

/** Look every 20 ms until `found` answers, at most `limit` ms. */
async function until<T>(limit: number, found: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + limit;
  for (;;) {
    const value = await found();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(await readFile('/run/stock.log', 'utf8'));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
const session = await until(15_000, async () => {
  const text = await readFile('/run/stock.log', 'utf8').catch(() => '');
  const one = (pattern: RegExp): string => [...text.matchAll(pattern)].at(-1)?.[1] ?? '';
  const theirs = one(/^remote IP address (\S+)/gm);
  if (theirs === '') return undefined;
  const address = (dotted: string): number[] => dotted.split('.').map(Number);
  return {
    sessionId: Number(one(/^PPP session is (\d+)/gm)),
    acMac: one(/^Connected to (\S+) via/gm).toLowerCase(),
    ourMac: MAC,
    ourMagic: one(/^sent \[LCP ConfReq.*<magic 0x([0-9a-f]+)>/gm).padStart(8, '0'),
    ourAddress: address(one(/^local {2}IP address (\S+)/gm)),
    theirAddress: address(theirs),
  };
});

const holder = execa('ip', inside('r2', process.execPath, HOLDER, JSON.stringify(session)), {
  stderr: 'inherit',
  reject: false,
  buffer: false,
});
const said: Record<string, unknown>[] = [];
let heard = (): void => {};
createInterface({ input: holder.stdout }).on('line', (line) => {
  console.log('holder:', line);
  said.push(JSON.parse(line) as Record<string, unknown>);
  heard();
});
let ended = false;
void holder.then(() => {
  ended = true;
  heard();
});
const hear = async (field: string): Promise<Record<string, unknown>> => {
  for (;;) {
    const line = said.find((one) => field in one);
    if (line) {
      said.splice(said.indexOf(line), 1);
      return line;
    }
    if (ended) throw new Error(`the holder ended before it said ${field}`);
    await new Promise<void>((resolve) => {
      heard = resolve;
    });
  }
};

const { armed } = await hear('armed');
await execa('ip', ['-n', 'r2', 'addr', 'add', '192.168.7.1/24', 'dev', 'eth1']);
const { role } = await hear('role');
const pppBeforeGate = said.filter((line) => 'ppp' in line).length;
stock.kill('SIGSTOP');
await plug('r1', ['eth0'], false);
holder.stdin.write('go\n');
const { gone } = await hear('gone');
// The AC may ask at the same time.
let reply = await hear('ppp');
while (!String(reply['packet']).startsWith('0a')) reply = await hear('ppp');
const traffic = fileURLToPath(
  new URL('./traffic.js', import.meta.resolve('@ppp-thing/lab/kernel/net')),
);
const server = execa('ip', inside('ac', process.execPath, traffic, 'serve', INTERNET), {
  reject: false,
});
await once(server.stdout, 'data');
const probe = execa('ip', inside('r2', process.execPath, traffic, 'probe', INTERNET), {
  reject: false,
});
await once(probe.stdout, 'data');
await new Promise((resolve) => setTimeout(resolve, 300));
probe.stdin.write('report\n');
const report = JSON.parse(String((await once(probe.stdout, 'data'))[0])) as Record<string, unknown>;
const show = async (...words: string[]): Promise<string> =>
  (await execa('ip', ['-n', 'r2', ...words])).stdout;
const addresses = await show('-br', 'addr');
const routes = await show('route');
const links = await show('-d', 'link', 'show', 'pl-wan');
holder.stdin.write('remove\n');
await holder;
const after = await show('-br', 'link');
const routesAfter = await show('route');
const result = {
  addresses: /^wan .*/m.exec(addresses)?.[0].replaceAll(/ +/g, ' ').trim(),
  defaultRoute: /^default .*/m.exec(routes)?.[0].trim(),
  line: links.replaceAll(/\s+/g, ' '),
  armed,
  role,
  pppBeforeGate,
  gone,
  echoReply: reply['packet'],
  echoAfter: reply['since'],
  tcpAlive: report['tcpAlive'],
  tcpEchoes: report['tcpEchoes'],
  ac: await readAcLog(),
  leftOver: /^(pl-wan|wan)\b/m.test(after) || routesAfter.includes('default'),
};
console.log(`@result ${JSON.stringify(result)}`);
stock.kill('SIGKILL');
ac.kill('SIGKILL');
server.kill('SIGKILL');
probe.kill('SIGKILL');
process.exit(0);
