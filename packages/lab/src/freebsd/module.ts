/**
 * The fake kernel as a module for `PPP_THING_TEST_LIBC`: the tests of a real kernel run on it, so that they are tried before
 * there is one.
 */
import type { Libc } from '@ppp-thing/helper/libc';
import { FakeKernel } from './kernel.ts';
import { FakeProcess } from './process.ts';
import { RealSystem } from './real.ts';

/** A process on a kernel of its own for each router. */
export default async function router(_name: string): Promise<Libc> {
  const kernel = new FakeKernel();
  return new FakeProcess(kernel, { real: await RealSystem.load() }).libc;
}
