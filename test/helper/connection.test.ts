import { Connection } from '@ppp-thing/helper/connection';
import { loadLibc, type Libc } from '@ppp-thing/helper/libc';
import type { MainLoop } from '@ppp-thing/helper/loop';
import { POLLIN } from '@ppp-thing/helper/unix';
import { encodeMessage } from '@ppp-thing/protocol/ipc/framing';
import { concat } from '@ppp-thing/protocol/printable';
import t from 'tap';

const libc = await loadLibc();
const REQUESTS = 40;

/** How many of the requests that one read brings are handled in its turn, each of which takes `ms`. */
function inOneTurn(ms: number): number {
  let now = 0;
  let handled = 0;
  let ready: (revents: number) => void = () => undefined;
  const all = Array.from({ length: REQUESTS }, (_, id) =>
    encodeMessage({ id, verb: 'counters', session: 'pppoe0' }),
  );
  const said = concat(...all);
  const fake: Libc = {
    ...libc,
    read(_fd, into) {
      into.set(said);
      return said.length;
    },
    sendto: (_fd, data) => data.length,
  };
  const loop: MainLoop = {
    now: () => now,
    turnedAt: () => now,
    watch: (_fd, _events, run) => void (ready = run),
    unwatch: () => undefined,
    every: () => () => undefined,
    after: () => () => undefined,
    wake: () => undefined,
    run: async () => undefined,
    close: () => undefined,
  };
  const connection = new Connection(fake, loop, 0, {
    handle({ id }) {
      now += ms;
      handled += 1;
      return { id, done: null };
    },
    ended: () => undefined,
  });
  ready(POLLIN);
  t.equal(connection.queued > 0, true, 'the answers wait for the end of the turn');
  return handled;
}

t.test('connection › a turn has many quick requests, and one slow one', async (t) => {
  t.equal(inOneTurn(0.01), REQUESTS);
  t.equal(inOneTurn(0.5), 16);
  t.equal(inOneTurn(4), 3);
  t.equal(inOneTurn(400), 1, 'the gates of other sessions wait for one hello, not for sixteen');
});
