/**
 * Reads the original ppp_thing's state file, seven lines, once when a router is upgraded, so that its session
 * continues. It never writes it.
 */
import type { Snapshot } from '@ppp-thing/protocol/session';
import { isMulticast, parseMac, type MacAddress } from '@ppp-thing/protocol/wire/ethernet';
import { parseIpv4 } from '@ppp-thing/protocol/wire/ncp';
import { isSessionId } from '@ppp-thing/protocol/wire/pppoe';
import { legacyFacts } from './legacy-partner.ts';

/**
 * The first four lines are AC MAC, SESSION_ID, our address and the AC's address. Later lines are ignored, as the
 * original does. The snapshot has epoch 0 and no holder, so any partner's snapshot outranks it.
 *
 * @param startedAt seconds since 1970-01-01 UTC to use as the session's start, which the file does not have
 * @returns undefined if the file says that there is no session, or is not such a file
 */
export function parseLegacyState(
  text: string,
  ourMac: MacAddress,
  startedAt: number,
): Snapshot | undefined {
  const [mac = '', id = '', ours = '', theirs = ''] = text.split('\n').map((line) => line.trim());
  const acMac = parseMac(mac);
  const sessionId = /^\d{1,5}$/.test(id) ? Number(id) : 0;
  const ourAddress = parseIpv4(ours);
  const theirAddress = parseIpv4(theirs);
  if (acMac === undefined || isMulticast(acMac) || !isSessionId(sessionId)) return undefined;
  if (ourAddress === undefined || theirAddress === undefined) return undefined;
  const facts = legacyFacts({ sessionId, acMac, ourMac, ourAddress, theirAddress, startedAt });
  return { epoch: 0, generation: 1, holder: 0, facts };
}
