import { SimBackend } from '@ppp-thing/helper/sim/backend';
import { backendContract, EARLY, type World } from '../backend-contract.ts';
import { SESSION, makeLoop, startSimRouter } from './sim-world.ts';

async function simWorld(): Promise<World> {
  const router = await startSimRouter();
  const { libc, policy, heard } = router;
  const loop = makeLoop(libc);
  router.changed = (): void => loop.wake(() => {});
  return {
    loop,
    policy: SESSION,
    heard,
    makeBackend: (events) => new SimBackend({ libc, loop, policy, events, log: () => {} }),
    inject: (frame) => router.order({ kind: 'frame', frame }),
    setRole: (role) => router.order({ kind: 'role', role }),
    setCarrier: (up) => router.order({ kind: 'carrier', up }),
    async close() {
      await router.close();
      loop.close();
    },
  };
}

backendContract('sim', simWorld, [
  { reason: 'the lab’s line keeps nothing: its AC waits for the client', tests: [EARLY] },
]);
