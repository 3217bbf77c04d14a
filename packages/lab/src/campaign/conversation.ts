/**
 * What a pair asks of the AC from one session to the next, held against what it had before: a new dial asks for the address
 * of the last session. It looks at the frames; who may speak at all is the rules'.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { formatIpv4 } from '@ppp-thing/protocol/wire/ncp';
import type { Action } from '@ppp-thing/protocol/engine/events';
import type { RouterView } from './stage.ts';
import type { Break } from './watch.ts';

export class Conversation {
  readonly #fail: Break;
  /** The address each supervisor has had, in this life. */
  readonly #had: [Uint8Array | undefined, Uint8Array | undefined] = [undefined, undefined];
  /** The session for which each has asked for an address. */
  readonly #askedFor: [number | undefined, number | undefined] = [undefined, undefined];

  constructor(fail: Break) {
    this.#fail = fail;
  }

  /** A new supervisor: it knows what is on its disk. */
  started({ index }: RouterView): void {
    this.#had[index] = undefined;
  }

  /** Its engine has answered. */
  answered(router: RouterView): void {
    const facts = router.status()?.snapshot.facts;
    if (facts != null) this.#had[router.index] = facts.ourAddress;
  }

  transmitted({ index, kernel }: RouterView, action: Action): void {
    if (action.kind !== 'send-ppp' || action.packet.protocol !== 'IPCP') return;
    const { packet } = action.packet;
    const session = kernel.attached?.sessionId;
    if (packet.code !== 'Configure-Request' || this.#askedFor[index] === session) return;
    this.#askedFor[index] = session;
    const asked = packet.options.find(({ kind }) => kind === 'address');
    const before = this.#had[index];
    if (asked?.kind !== 'address' || before === undefined) return;
    if (!sameOctets(before, asked.address))
      this.#fail(
        'address',
        `router ${index} asks for ${formatIpv4(asked.address)}, after ${formatIpv4(before)}`,
      );
  }
}
