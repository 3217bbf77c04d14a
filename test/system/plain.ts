/** A pair of the whole system in which nothing happens by itself. It plays nothing. */
import type { SystemPlan } from '@ppp-thing/lab/system/plan';

export const PLAIN: SystemPlan = {
  seed: 1,
  lengthMs: 0,
  kernel: 'netgraph',
  temper: {
    second: 'deny',
    lockoutMs: 0,
    slowMs: 0,
    echoMs: 10_000,
    echoLimit: 3,
    dataCheck: false,
  },
  advskew: [0, 100],
  drift: [1, 1],
  partnerDelayMs: 1,
  delaysMs: [1, 1],
  sessions: 1,
  ipv6: false,
  firstEpoch: 0,
  echoSeconds: 5,
  faults: [],
};
