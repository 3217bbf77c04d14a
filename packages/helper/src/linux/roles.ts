/**
 * The role of a session and the carrier of its line, as the kernel has them now. It watches nothing, and moves no gate.
 *
 * The role is the presence of the virtual address on its interface, so that any VRRP daemon will do.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import type { KernelState, Role } from '../backend.ts';
import type { SessionPolicy } from '../policy.ts';
import type { Rtnetlink } from './kernel.ts';
import { IFF, type Address, type Link } from './rtnetlink.ts';

export type RoleAndCarrier = Pick<KernelState, 'role' | 'carrier'>;

/** What is read of the kernel. */
type Kernel = Pick<Rtnetlink, 'link' | 'linkAt' | 'allAddresses'>;

export class Roles {
  readonly #kernel: Kernel;
  readonly #log: (line: string) => void;
  /** Sessions whose virtual address is on an interface where it does not count. */
  readonly #elsewhere = new Set<string>();

  constructor(kernel: Kernel, log: (line: string) => void) {
    this.#kernel = kernel;
    this.#log = log;
  }

  /** One poll, for the levels of several sessions. */
  view(): View {
    return new View(this.#kernel);
  }

  /** Role and carrier as they are now. */
  level(policy: SessionPolicy, view = this.view()): RoleAndCarrier {
    const parent = view.link(policy.interface);
    const carrier = ((parent?.flags ?? 0) & IFF.LOWER_UP) !== 0;
    const { carp } = policy;
    // Without a role to watch this router is the only one.
    return { role: carp === undefined ? 'MASTER' : this.#role(policy.name, carp, view), carrier };
  }

  /**
   * MASTER while the virtual address is on its interface, or on one that a VRRP daemon made on top of it (keepalived's
   * use_vmac). A role that cannot be read is INIT, never MASTER.
   */
  #role(session: string, carp: NonNullable<SessionPolicy['carp']>, view: View): Role {
    const { address, interface: name } = carp;
    if (address === undefined) return 'INIT';
    const named = name === undefined ? undefined : view.link(name);
    if (name !== undefined && (!named || (named.flags & IFF.UP) === 0)) return 'INIT';
    const holders = view.holders(address);
    const isRight = (holder: number): boolean =>
      named === undefined || holder === named.index || view.parent(holder) === named.index;
    const isMaster = holders.some(isRight);
    this.#tellElsewhere(session, address.join('.'), name ?? '', !isMaster && holders.length > 0);
    return isMaster ? 'MASTER' : 'BACKUP';
  }

  /** Logs each occurrence once: otherwise a router would stay BACKUP without a visible reason. */
  #tellElsewhere(session: string, address: string, name: string, isElsewhere: boolean): void {
    if (isElsewhere && !this.#elsewhere.has(session))
      this.#log(
        `read role of ${session}: EADDRNOTAVAIL: ${address} is on another interface than carp_interface, ${name}; ` +
          'this router stays BACKUP',
      );
    if (isElsewhere) this.#elsewhere.add(session);
    else this.#elsewhere.delete(session);
  }
}

/** One poll of the kernel; it reads an interface once, even if a thousand sessions share it. */
class View {
  readonly #kernel: Kernel;
  readonly #links = new Map<string, Link | undefined>();
  readonly #parents = new Map<number, number>();
  #addresses: readonly Address[] | undefined;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  link(name: string): Link | undefined {
    if (!this.#links.has(name)) this.#links.set(name, this.#kernel.link(name));
    return this.#links.get(name);
  }

  /** The interfaces that have `address`, by index. */
  holders(address: Uint8Array): readonly number[] {
    this.#addresses ??= this.#kernel.allAddresses();
    return this.#addresses
      .filter(({ local }) => sameOctets(local, address))
      .map(({ link }) => link);
  }

  /** The interface below this one, by index; 0: none. */
  parent(link: number): number {
    let found = this.#parents.get(link);
    if (found === undefined) {
      found = this.#kernel.linkAt(link)?.parent ?? 0;
      this.#parents.set(link, found);
    }
    return found;
  }
}
