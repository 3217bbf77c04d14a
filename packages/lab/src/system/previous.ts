/**
 * The previous release as its partner and its disk know it: datagrams and files without what came later (the DHCPv6 lease,
 * the half-made session, the clocks, the proof of an announce frame). The engine behind it is the present one. That what is
 * left are the previous release's octets is shown by test/wire/previous-release.test.ts.
 */
import { DecodeError } from '@ppp-thing/protocol/bytes';
import type { Snapshot } from '@ppp-thing/protocol/session';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import { decodePartner, encodePartner } from '@ppp-thing/protocol/wire/partner';
import { hmacSha256 } from '@ppp-thing/supervisor/hashes';
import type { Keys } from '@ppp-thing/supervisor/keys';
import type { PartnerChannel } from '@ppp-thing/supervisor/partner-channel';
import { Store } from '@ppp-thing/supervisor/store';

const bare = ({ epoch, generation, holder, facts }: Snapshot): Snapshot => ({
  epoch,
  generation,
  holder,
  facts,
});

/** A datagram as the previous release writes it, or as it understands it. What is none of the pair's stays as it is. */
export function asPrevious(octets: Uint8Array, { byId }: Keys): Uint8Array {
  const received = read(octets, byId);
  const key = received && byId.get(received.header.keyId);
  if (received === undefined || key === undefined) return octets;
  const { header, body } = received;
  const { message, configDigest } = body;
  const known = { message: { ...message, snapshot: bare(message.snapshot) } };
  return encodePartner(
    header,
    { ...known, ...(configDigest && { configDigest }) },
    key,
    hmacSha256,
  );
}

function read(octets: Uint8Array, byId: Keys['byId']) {
  try {
    const received = decodePartner(octets, (id) => byId.get(id), hmacSha256);
    return received.kind === 'authentic' ? received : undefined;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** It proved no announce frame, and believed every one. */
export const unproven: Pick<PartnerChannel, 'proof' | 'believes'> = {
  proof: () => NO_PROOF,
  believes: () => true,
};

export class PreviousStore extends Store {
  override load(session: string): Snapshot | undefined {
    const stored = super.load(session);
    return stored && bare(stored);
  }

  override save(session: string, snapshot: Snapshot): void {
    super.save(session, bare(snapshot));
  }

  override later(
    session: string,
    snapshot: Snapshot,
    done: Parameters<Store['later']>[2],
  ): boolean {
    return super.later(session, bare(snapshot), done);
  }
}
