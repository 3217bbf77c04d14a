/**
 * TCP through our session and through stock pppd's, in turns, run in the guest: the same kernel, AC and moment. Both leave the
 * octets to the kernel, so they should be as fast. It writes the rates to `throughput.json`.
 *
 * Usage: node throughput.js ROUNDS
 */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { prepareAc, startQuickAc, stockClient } from './ac.ts';
import { noteGround } from './ground.ts';
import { buildNetwork, inside, INTERNET, type Host } from './net.ts';
import { Router } from './router.ts';
import { say, until } from './station.ts';
import { GUEST_RESULT } from './uml.ts';

export interface Rate {
  readonly client: 'stock' | 'ours';
  readonly way: 'up' | 'down';
  readonly mbits: number;
}

const BLAST = fileURLToPath(new URL('./blast.js', import.meta.url));
/** Of one measurement. */
const MILLISECONDS = 3000;

await noteGround();
await buildNetwork();
await prepareAc('chap', 60);
const ac = startQuickAc();

const r1 = new Router('r1');
await r1.prepare('chap', 'ab'.repeat(32));
await r1.startAll();
await until('our session', 60_000, async () => (await r1.kernel()).routed);
const pppd = execa('ip', inside('stock', 'pppd', ...stockClient('eth0')), {
  stdin: 'ignore',
  stdout: 'ignore',
  stderr: 'ignore',
  reject: false,
});
const route = ['-n', 'stock', 'route', 'add', `${INTERNET}/32`, 'dev', 'ppp0'];
const routed = async (): Promise<boolean> => {
  const { exitCode } = await execa('ip', route, { reject: false });
  return exitCode === 0;
};
await until("stock pppd's session", 60_000, routed);

const server = execa('ip', inside('ac', process.execPath, BLAST, 'serve', INTERNET), {
  stderr: 'inherit',
  buffer: false,
  reject: false,
});
await once(createInterface({ input: server.stdout }), 'line');

const HOSTS: Readonly<Record<Rate['client'], Host>> = { stock: 'stock', ours: 'r1' };
const rates: Rate[] = [];

async function measure(client: Rate['client'], way: Rate['way']): Promise<void> {
  const words = [process.execPath, BLAST, way, INTERNET, String(MILLISECONDS)] as const;
  const { stdout } = await execa('ip', inside(HOSTS[client], ...words), { stderr: 'inherit' });
  const mbits = Number(stdout);
  rates.push({ client, way, mbits });
  say(`${client}, ${way}: ${mbits.toFixed(0)} Mbit/s`);
}

const rounds = Number(process.argv[2]);
for (let round = 0; round < rounds; round++)
  for (const way of ['up', 'down'] as const) {
    await measure('stock', way);
    await measure('ours', way);
  }
await writeFile(`${GUEST_RESULT}/throughput.json`, JSON.stringify(rates));
for (const process of [server, pppd, ac]) process.kill('SIGKILL');
process.exit(0);
