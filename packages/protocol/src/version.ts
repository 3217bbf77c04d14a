/**
 * The product's version, and the oldest runtime it supports. Both are constants, so no program reads a file for them. A
 * test compares them with package.json.
 */
export const VERSION = '0.1.0';

/** Major version of Node.js. Older ones are past their end of life. */
export const OLDEST_NODE = 22;

/**
 * Why the programs cannot run on this version of Node.js: one line for the operator. Undefined if they can.
 *
 * @param version the runtime's version, `24.21.0`; Bun reports that of the Node.js it emulates
 */
export function tooOld(version: string): string | undefined {
  if (Number.parseInt(version, 10) >= OLDEST_NODE) return undefined;
  return `Node.js ${version} is too old: install Node.js ${OLDEST_NODE} or newer`;
}
