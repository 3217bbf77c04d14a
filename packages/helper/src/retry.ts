/** Retries an action until it succeeds, and logs each new reason once. It decides nothing. */
import type { Loop } from './loop.ts';

/**
 * Run `act` every `intervalMs` until it succeeds.
 *
 * @param reason  of the last failure
 * @param act  returns the reason if it fails again; undefined if it succeeds
 */
export function retry(
  loop: Loop,
  intervalMs: number,
  reason: string,
  act: () => string | undefined,
  log: (line: string) => void,
): void {
  log(reason);
  let said = reason;
  const stop = loop.every(intervalMs, () => {
    const again = act();
    if (again === undefined) return stop();
    if (again !== said) log((said = again));
  });
}
