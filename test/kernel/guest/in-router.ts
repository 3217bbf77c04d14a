/** In the guest: build the lab's network and run another program of this folder in the namespace of r1. */
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { buildNetwork, inside } from '@ppp-thing/lab/kernel/net';

const [name = '', ...others] = process.argv.slice(2);
const program = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
await buildNetwork();
const { exitCode } = await execa('ip', inside('r1', process.execPath, program, ...others), {
  stdio: 'inherit',
  reject: false,
});
process.exit(exitCode ?? 1);
