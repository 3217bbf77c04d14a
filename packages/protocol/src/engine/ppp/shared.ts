/** What the machines of one PPP session share. */
import type { Hashes, Random } from '../hashes.ts';
import type { Out } from '../out.ts';
import type { LinkConfig } from '../session-config.ts';
import type { RestartTimer } from './restart-timer.ts';
import type { PppTimers } from './waits.ts';

export interface PppShared {
  readonly config: LinkConfig;
  readonly hashes: Hashes;
  readonly random: Random;
  readonly restartTimer: RestartTimer;
  readonly timers: PppTimers;
  readonly out: Out;
}
