/**
 * Puts `../mini-tap.ts` in tap's place for runtimes on which tap itself does not load. Loaded with `bun --preload`.
 *
 *     bun --preload ./test/dist/helper/tap-on-bun.js test/dist/helper/serve.test.js
 */
import tap from '../mini-tap.ts';

/** What we use of Bun's plugin interface. */
interface Bun {
  plugin(options: {
    readonly name: string;
    setup(build: {
      module(name: string, load: () => { exports: object; loader: 'object' }): void;
    }): void;
  }): void;
}

declare const Bun: Bun;

Bun.plugin({
  name: 'tap',
  setup: (build) => build.module('tap', () => ({ exports: { default: tap }, loader: 'object' })),
});
