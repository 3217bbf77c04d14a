/** `make sim`: the fast campaign, on the bare engines. */
import { fileURLToPath } from 'node:url';
import { command } from './command.ts';
import { FAST } from './world.ts';

process.exitCode = await command(FAST, fileURLToPath(import.meta.url));
