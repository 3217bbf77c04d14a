/** What the figures of a guest depend on: its kernel, and what one system call costs there. Runs in the guest. */
import { release } from 'node:os';
import { writeFile } from 'node:fs/promises';
import { GUEST_RESULT } from './uml.ts';

export interface Ground {
  readonly kernel: string;
  readonly systemCallUs: number;
}

const CALLS = 2000;

/** Write it to `ground.json`, for the host to print with the figures. */
export async function noteGround(): Promise<void> {
  const start = performance.now();
  // Node.js asks the kernel each time.
  for (let i = 0; i < CALLS; i++) process.getuid?.();
  const systemCallUs = ((performance.now() - start) * 1000) / CALLS;
  const ground: Ground = { kernel: `Linux ${release()}`, systemCallUs };
  await writeFile(`${GUEST_RESULT}/ground.json`, JSON.stringify(ground));
}
