/** That the rehearsal of an edge is the edge: the same calls in the same order, and none of them of the real kernel. */
import t from 'tap';
import { nowhere, rehearsal } from '@ppp-thing/helper/freebsd/rehearsal';
import type { Libc } from '@ppp-thing/helper/libc';
import { Client } from '../helper/client.ts';
import { ARM, CONFIGURE, Life, role, session, stop } from './life.ts';
import { SESSION, VHID } from './world.ts';

const RTM_TYPE = 3;

/** What is asked of `libc`, in words; the same thing twice in a row is said once. */
function heard(libc: Libc): { readonly libc: Libc; readonly calls: string[] } {
  const calls: string[] = [];
  const note = (call: string): void => void (call === calls.at(-1) || calls.push(call));
  const noting: Libc = {
    ...libc,
    socket: (domain, type, protocol) => {
      note(`socket ${domain}`);
      return libc.socket(domain, type, protocol);
    },
    sendto: (fd, data, flags, address) => {
      note(`sendto, ${data.length} octets`);
      return libc.sendto(fd, data, flags, address);
    },
    ioctl: (fd, request, argument, pointers) => {
      note(`ioctl 0x${request.toString(16)}`);
      return libc.ioctl(fd, request, argument, pointers);
    },
    write: (fd, data) => {
      note(`write, type ${data[RTM_TYPE]}`);
      return libc.write(fd, data);
    },
  };
  return { libc: noting, calls };
}

const LOOK = 'write, type 4';

/** From the gate to the look for another program's route, which packets do not wait for. */
const untilLook = (calls: readonly string[]): readonly string[] =>
  calls.slice(
    calls.findIndex((call) => call.startsWith('sendto')),
    calls.indexOf(LOOK) + 1,
  );

t.test('rehearsal › asks what the edge asks', async (t) => {
  const life = await Life.make(t);
  const process = life.router.waitingProcess();
  const real = heard(process.libc);
  const lent = Object.assign(process, { libc: real.libc });
  const helper = life.start([SESSION], { process: lent, now: () => 0 });
  const client = await Client.greet(helper.path);
  t.equal(await client.outcome(ARM), 'done');
  t.equal(await client.outcome({ ...CONFIGURE, up: false }), 'done');
  t.equal(await client.outcome({ verb: 'route', session, via: 'partner' }), 'done');
  const played = heard(nowhere());
  const play = rehearsal(SESSION, played.libc);
  played.calls.length = 0;
  real.calls.length = 0;
  play();
  t.strictSame(real.calls, [], 'nothing of the real kernel');
  life.router.kernel.carp.set(VHID, 'MASTER');
  t.equal(await role(client, 'MASTER'), true);
  t.strictSame(untilLook(played.calls), untilLook(real.calls));
  t.equal(untilLook(real.calls).length, 9);
  client.end();
  await stop(helper, 'remove');
});
