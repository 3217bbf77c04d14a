/**
 * The kernel interface's numbers as they were recorded, for the fake kernel: never those of the backend under test. It
 * knows names and offsets, no behaviour.
 */
import { readFileSync } from 'node:fs';

interface Abi {
  readonly constants: Readonly<Record<string, number>>;
  readonly structs: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const path = new URL('../../../../test/fixtures/freebsd-abi.json', import.meta.url);
const recorded = JSON.parse(readFileSync(path, 'utf8')) as Readonly<Record<'13.2' | '15', Abi>>;

export const abis = recorded;

/** A constant by its C name. */
export function c(name: string): number {
  const value = recorded['13.2'].constants[name];
  if (value === undefined) throw new Error(`the fixture has no ${name}`);
  return value;
}

/** The offset of a field, or with 'size' the structure's own. */
export function at(struct: string, field: string): number {
  const value = recorded['13.2'].structs[struct]?.[field];
  if (value === undefined) throw new Error(`the fixture has no ${struct}.${field}`);
  return value;
}

/** What a call of the fake kernel is refused with. */
export class Errno extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }

  get number(): number {
    return c(this.code);
  }
}

export function fail(code: string): never {
  throw new Errno(code);
}
