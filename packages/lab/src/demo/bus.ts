/**
 * Everything that happens in the lab, in order, and the waits for it. A wait has a name and a deadline, and is woken by
 * what happens: nothing here polls.
 */
import type { Role } from '@ppp-thing/protocol/session';
import type { Instant } from '@ppp-thing/protocol/time';

export type RouterName = 'r1' | 'r2';
export type ProcessName = 'helper' | 'supervisor';

export type Happening =
  | {
      readonly kind: 'role';
      readonly router: RouterName;
      readonly role: Role;
      readonly reason: string;
    }
  | { readonly kind: 'gate'; readonly router: RouterName; readonly open: boolean }
  | { readonly kind: 'attached'; readonly router: RouterName; readonly sessionId: number }
  | { readonly kind: 'demotion'; readonly router: RouterName; readonly amount: number }
  /** The switch found the session's MAC address behind another port. */
  | { readonly kind: 'moved'; readonly from: string; readonly to: string }
  /** The AC granted a session. */
  | { readonly kind: 'dial'; readonly sessionId: number }
  /** Data flows in a session for the first time, so long after its PADI. */
  | { readonly kind: 'up'; readonly sessionId: number; readonly dialMs: number }
  | { readonly kind: 'closed'; readonly sessionId: number; readonly reason: string }
  /** The DHCPv6 server has received a message of this type. */
  | { readonly kind: 'dhcp6'; readonly type: string }
  | { readonly kind: 'pong'; readonly sequence: number }
  | { readonly kind: 'violation'; readonly text: string }
  /** What the AC would have in its log. */
  | { readonly kind: 'ac'; readonly text: string }
  /** The lab does something to the routers. */
  | { readonly kind: 'lab'; readonly text: string }
  | {
      readonly kind: 'line';
      readonly router: RouterName;
      readonly process: ProcessName;
      readonly text: string;
    }
  | {
      readonly kind: 'exit';
      readonly router: RouterName;
      readonly process: ProcessName;
      readonly how: string;
      /** The lab killed it. */
      readonly wanted: boolean;
    }
  /** A router has sent a control packet of PPP: both of its processes live. */
  | { readonly kind: 'spoke'; readonly router: RouterName }
  /** A datagram between the supervisors has passed. */
  | { readonly kind: 'datagram'; readonly from: RouterName };

export type Timed = Happening & { readonly at: Instant };

/** What was waited for did not happen in time. */
export class WaitError extends Error {
  override readonly name = 'WaitError';
}

/** The lab was told to stop. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
}

interface Wait {
  readonly check: (happening: Timed | undefined) => void;
  readonly fail: (error: Error) => void;
}

const HOUR_MS = 3_600_000;

export class Bus {
  readonly #now: () => Instant;
  readonly #waits = new Set<Wait>();
  readonly #listeners: ((happening: Timed) => void)[] = [];
  #stopped: Error | undefined;

  constructor(now: () => Instant) {
    this.#now = now;
  }

  listen(listener: (happening: Timed) => void): void {
    this.#listeners.push(listener);
  }

  tell(happening: Happening): void {
    const timed: Timed = { ...happening, at: this.#now() };
    for (const listener of this.#listeners) listener(timed);
    for (const wait of this.#waits) wait.check(timed);
  }

  /** Every wait, present and to come, fails with `error`. */
  stop(error: Error): void {
    this.#stopped ??= error;
    for (const wait of this.#waits) wait.fail(error);
  }

  /**
   * The first value that `find` gives: asked now, with undefined, and at everything that happens from now on.
   *
   * @param name   what is waited for, as the failure will say it
   * @param within milliseconds
   * @throws WaitError when the time is up; what `find` throws; what the lab was stopped with
   */
  async waitFor<T>(
    name: string,
    within: number,
    find: (happening: Timed | undefined) => T | undefined,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const done = (run: () => void): void => {
        clearTimeout(timer);
        this.#waits.delete(wait);
        run();
      };
      const wait: Wait = {
        check: (happening) => {
          try {
            const found = find(happening);
            if (found !== undefined) done(() => resolve(found));
          } catch (error) {
            done(() => reject(error));
          }
        },
        fail: (error) => done(() => reject(error)),
      };
      const timer = setTimeout(
        () => wait.fail(new WaitError(`wait for ${name}: ETIMEDOUT: not within ${within} ms`)),
        within,
      );
      this.#waits.add(wait);
      if (this.#stopped !== undefined) wait.fail(this.#stopped);
      else wait.check(undefined);
    });
  }

  /** As `waitFor`, for a state rather than a value. */
  async waitUntil(name: string, within: number, isSo: () => boolean): Promise<void> {
    await this.waitFor(name, within, () => (isSo() ? true : undefined));
  }

  /** Until the lab is told to stop. */
  async stopping(): Promise<void> {
    for (;;) {
      try {
        await this.pass(HOUR_MS);
      } catch (error) {
        if (error instanceof StoppedError) return;
        throw error;
      }
    }
  }

  /** Let `ms` pass: for a scene that must show that nothing happens. Ends early only when the lab stops. */
  async pass(ms: number): Promise<void> {
    const end = Symbol('end');
    try {
      await this.waitFor<typeof end>('nothing', ms, () => undefined);
    } catch (error) {
      if (!(error instanceof WaitError)) throw error;
    }
  }
}
