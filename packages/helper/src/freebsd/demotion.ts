/**
 * Our demotion on FreeBSD. Writing the sysctl adds to the sum of everybody's demotions, and reading it gives that sum. So
 * this object, and the record of `../demotion.ts`, remember our part.
 */
import type { Libc } from '../libc.ts';
import type { SessionPolicy } from '../policy.ts';
import { attempt, unless } from './errors.ts';
import { i32At, int } from './octets.ts';

const SUM = 'net.inet.carp.demotion';

export class Demotion {
  readonly #libc: Libc;
  /** In force for each session: the policy's amount, or the amount that an earlier helper added. */
  readonly #ours = new Map<string, number>();

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  isDemoted({ name }: SessionPolicy): boolean {
    return this.#ours.has(name);
  }

  set({ name, demotion }: SessionPolicy, on: boolean): void {
    if (on === this.#ours.has(name)) return;
    const amount = this.#ours.get(name) ?? demotion;
    this.#add(name, on ? amount : -amount);
    if (on) this.#ours.set(name, amount);
    else this.#ours.delete(name);
  }

  /** A crash before the write of the sysctl leaves a false record: then the sum is too small to contain ours. */
  adopt({ name }: SessionPolicy, amount: number): boolean {
    if (!this.#holds(amount)) return false;
    this.#ours.set(name, amount);
    return true;
  }

  /** Remove what an earlier helper added for a session that is no longer configured. */
  remove(amount: number): void {
    if (this.#holds(amount)) this.#add('an earlier session', -amount);
  }

  /** Whether the sum can contain `amount` beside the known demotions. */
  #holds(amount: number): boolean {
    const sum = unless(['ENOENT'], () => i32At(this.#libc.sysctl(SUM, 4), 0)) ?? 0;
    let known = 0;
    for (const each of this.#ours.values()) known += each;
    return sum - known >= amount;
  }

  #add(subject: string, amount: number): void {
    attempt('demote', subject, () => void this.#libc.sysctl(SUM, 0, int(amount)), {
      ENOENT: 'the module carp is not loaded; run kldload carp',
    });
  }
}
