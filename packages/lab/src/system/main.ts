/** `make sim-system`: the campaign on the whole system. */
import { fileURLToPath } from 'node:url';
import { command } from '../campaign/command.ts';
import { SYSTEM } from './world.ts';

process.exitCode = await command(SYSTEM, fileURLToPath(import.meta.url));
