/**
 * Address translation and its states on the native pair: pf(4) with NAT to the stub's address, pfsync(4) between the
 * routers, as etc/freebsd has them. Without it the LAN is routed; with it nothing but NAT brings an answer back.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { missingForPf } from './needs.ts';
import { ADDRESSES, otherThan, portsOf } from './network.ts';
import type { Pair } from './pair.ts';
import { SESSION, STUB, type Router } from './router.ts';

/** pfsync demotes until its bulk update is in, or has been asked for twelve times. */
const BULK_MS = 120_000;

/** As pf.conf.sample, for one router. The states are floating: a name of one router only would keep them there. */
export const rules = (router: Router): string => {
  const { lan, sync } = portsOf(router.name);
  return [
    `set skip on { lo0, ${sync} }`,
    'set state-policy floating',
    `scrub on ${SESSION} inet max-mss 1452`,
    `nat on ${SESSION} inet from !(${STUB}) to any -> (${STUB}:0)`,
    `pass quick on ${lan} proto carp keep state (no-sync)`,
    'pass all keep state',
    '',
  ].join('\n');
};

const demotionOf = async (router: Router): Promise<number> =>
  Number(await router.run('read demotion', 'sysctl', '-n', 'net.inet.carp.demotion'));

/**
 * Put pf and pfsync in force on both routers, take the way back to the LAN from the Access Concentrator, and begin the LAN's
 * traffic anew.
 *
 * @returns why it cannot be done here; undefined if it was
 */
export async function translate(pair: Pair): Promise<string | undefined> {
  const { commands, place } = pair.options;
  const missing = await missingForPf(commands);
  if (missing.length > 0) return missing.join('; ');
  for (const router of pair.routers) {
    const file = join(place, router.name, 'pf.conf');
    writeFileSync(file, rules(router));
    await router.run('load the rules', 'pfctl', '-f', file);
    await router.run('begin to filter', 'pfctl', '-e');
    // The kernel makes pfsync0 in each vnet, or leaves it to us.
    await router.attempt('ifconfig', 'pfsync0', 'create');
    const peer = ADDRESSES[otherThan(router.name)].sync;
    const words = ['syncpeer', peer, 'syncdev', portsOf(router.name).sync, 'up'];
    await router.run('synchronise states', 'ifconfig', 'pfsync0', ...words);
  }
  await pair.until("the end of pfsync's bulk update", BULK_MS, async () => {
    for (const router of pair.routers) {
      // Of a router that demotes itself, as after a handoff, the sum does not tell.
      const isOurs = (await router.status())?.demoted.length !== 0;
      if (!isOurs && (await demotionOf(router)) !== 0) return false;
    }
    return true;
  });
  await pair.translateTraffic();
  return undefined;
}

/** As it was before, without traffic: untranslated it would be held against the routers. */
export async function stopTranslating(pair: Pair): Promise<void> {
  await pair.endTraffic();
  for (const router of pair.routers) {
    await router.attempt('ifconfig', 'pfsync0', '-syncdev', '-syncpeer', 'down');
    await router.attempt('pfctl', '-d');
    await router.attempt('pfctl', '-F', 'all');
  }
}
