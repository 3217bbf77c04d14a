/** The helper's program: its command on this machine. */
import { command } from './command.ts';
import { loadLibc } from './libc.ts';

process.exitCode = await command({ loadLibc });
