/**
 * What a pair asks of the AC, held against what it asked before: a new dial asks for the address of the last session, and
 * a router that resumes does not ask under an Identifier that the other has just used. It looks at the frames; who may
 * speak at all is the rules'.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { formatIpv4 } from '@ppp-thing/protocol/wire/ncp';
import type { IpcpPacket } from '@ppp-thing/protocol/wire/ppp';
import type { Action } from '@ppp-thing/protocol/engine/events';
import type { RouterView } from './stage.ts';
import type { Break } from './watch.ts';

/** An answer may be on its way for this long: to whoever resumes it would be an answer to its own request. */
const ANSWER_MS = 3000;

export class Conversation {
  readonly #fail: Break;
  /** The address each supervisor has had, in this life. */
  readonly #had: [Uint8Array | undefined, Uint8Array | undefined] = [undefined, undefined];
  /** The session for which each has asked for an address. */
  readonly #askedFor: [number | undefined, number | undefined] = [undefined, undefined];

  /** When each router last sent an Echo-Request under an Identifier, in which session. */
  readonly #asked: readonly [Map<number, number>, Map<number, number>] = [new Map(), new Map()];

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

  transmitted(router: RouterView, action: Action, now: number): void {
    if (action.kind !== 'send-ppp') return;
    if (action.packet.protocol === 'IPCP') this.#checkAddress(router, action.packet.packet);
    if (action.packet.protocol !== 'LCP' || action.packet.packet.code !== 'Echo-Request') return;
    const { identifier } = action.packet.packet;
    const { index } = router;
    const asked = (router.kernel.attached?.sessionId ?? 0) * 256 + identifier;
    this.#asked[index].set(asked, now);
    const before = this.#asked[index === 0 ? 1 : 0].get(asked);
    if (before === undefined || now - before > ANSWER_MS) return;
    const ago = Math.round(now - before);
    this.#fail('Identifier', `router ${index} uses ${identifier}, ${ago} ms after its partner`);
  }

  #checkAddress({ index, kernel }: RouterView, packet: IpcpPacket): void {
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
