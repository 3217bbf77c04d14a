/** In the guest, in the namespace of r1: the contract of all backends, against the Linux backend. Prints TAP. */
import t from 'tap';
import { execa } from 'execa';
import { loadLibc } from '@ppp-thing/helper/libc';
import { createLoop } from '@ppp-thing/helper/loop';
import { LinuxBackend } from '@ppp-thing/helper/linux/backend';
import { Rtnetlink } from '@ppp-thing/helper/linux/kernel';
import { addAddress, deleteAddress } from '@ppp-thing/helper/linux/rtnetlink';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { backendContract, type World } from '../../backend-contract.ts';
import { openStation } from './station.ts';
import { makeStore } from './store.ts';

const libc = await loadLibc();
const kernel = new Rtnetlink(libc);
const virtual = Uint8Array.of(192, 168, 7, 1);
const address = {
  link: kernel.link('eth1')?.index ?? 0,
  local: virtual,
  peer: virtual,
  prefix: 24,
};

const POLICY: SessionPolicy = {
  name: 'wan',
  interface: 'eth0',
  mac: Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 1),
  policy: 'follow-carp',
  carp: { interface: 'eth1', address: virtual },
  partnerAddress: Uint8Array.of(192, 168, 7, 3),
  demotionFile: '/run/demote',
  mtu: 1492,
  defaultRoute: true,
  fib: 0,
  demotion: 240,
};

let hear: (frame: Uint8Array) => void = () => {};
const station = await openStation((frame) => hear(frame));
t.teardown(() => station.close());
// A hub: the suite also speaks with our own MAC from the far end, and a switch would then send all of ours there.
for (const port of ['ac-eth0', 'r1-eth0'])
  await execa('ip', ['-n', 'sw', 'link', 'set', port, 'type', 'bridge_slave', 'learning', 'off']);
let isMaster = false;
const become = (master: boolean): void => {
  if (isMaster !== master) kernel.request(master ? addAddress(address) : deleteAddress(address));
  isMaster = master;
};

async function linuxWorld(): Promise<World> {
  const loop = createLoop(
    libc,
    () => performance.now(),
    () => {},
  );
  const heard: Uint8Array[] = [];
  hear = (frame) => {
    heard.push(frame);
    loop.wake(() => {});
  };
  const log = (line: string): void => console.log(`# ${line}`);
  const store = makeStore(libc);
  return {
    loop,
    policy: POLICY,
    heard,
    makeBackend: (events) =>
      new LinuxBackend({
        libc,
        loop,
        events,
        log,
        policy: { sessions: [POLICY] },
        keeper: store.next(),
      }),
    inject: (frame) => station.say(frame),
    setRole: (role) => become(role === 'MASTER'),
    async setCarrier(up) {
      await execa('ip', ['-n', 'sw', 'link', 'set', 'r1-eth0', up ? 'up' : 'down']);
    },
    close() {
      become(false);
      store.clear();
      loop.close();
    },
  };
}

backendContract('linux', linuxWorld);
