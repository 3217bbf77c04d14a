/**
 * What a partner with the right key may say that is not so: out of range, contradicting, or merely false. Every lie is one
 * that its encoder lets pass.
 */
import type { Ipv4Facts, PartnerMessage } from '@ppp-thing/protocol/session';
import type { Chance } from '../campaign/random.ts';

/** `message` with a lie in it, now and then. */
export function lie(
  message: PartnerMessage,
  about: 'epoch' | 'facts' | 'role',
  chance: Chance,
): PartnerMessage {
  if (chance.is(0.5)) return message;
  const { snapshot } = message;
  switch (about) {
    case 'epoch': {
      const ahead = chance.pick([1, 2, 1000, 0xffff_ffff]);
      const epoch = Math.min(snapshot.epoch + ahead, 0xffff_ffff);
      return { ...message, snapshot: { ...snapshot, epoch } };
    }
    case 'facts': {
      const { facts } = snapshot;
      if (facts?.ourAddress === undefined) return message;
      const generation = Math.min(snapshot.generation + 1, 0xffff_ffff);
      return {
        ...message,
        snapshot: { ...snapshot, generation, facts: { ...facts, ...falsehood(chance) } },
      };
    }
    case 'role':
      return {
        ...message,
        role: chance.pick(['INIT', 'BACKUP', 'MASTER'] as const),
        open: chance.is(0.5),
        armed: chance.is(0.5),
        healthy: chance.is(0.5),
        yielding: chance.is(0.5),
        proven: chance.is(0.5),
        hearing: chance.is(0.5),
      };
  }
}

const falsehood = (chance: Chance): Partial<Ipv4Facts> =>
  chance.pick<Partial<Ipv4Facts>>([
    { maxPayload: chance.pick([0, 63, 1500, 9000, 0xffff]) },
    { theirMru: chance.pick([0, 1, 0xffff]) },
    { ourMru: chance.pick([0, 1, 0xffff]) },
    { acName: chance.octets(chance.pick([0, 1, 255, 700])) },
    { ourAddress: chance.octets(4) },
    { theirAddress: chance.octets(4) },
    { ourMagic: 0, theirMagic: 0 },
    { startedAt: chance.pick([0, 0xffff_ffff]) },
    { identifiers: { lcp: 255, ipcp: 255, ipv6cp: 255 } },
  ]);
