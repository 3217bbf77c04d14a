/**
 * As much TCP as goes through, in one direction. Runs in a namespace of the guest; knows nothing of routers.
 *
 * `node blast.js serve ADDRESS`; `node blast.js up|down ADDRESS MILLISECONDS` prints the rate that arrived, Mbit/s.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

const PORTS = { up: 7001, down: 7002 } as const;
const PIECE = Buffer.alloc(256 * 1024);

/** What arrives on `socket` until its end: Mbit/s between the first octets and the last. */
async function rateOf(socket: Socket): Promise<number> {
  let octets = 0;
  let first: number | undefined;
  let last = 0;
  socket.on('data', ({ length }) => {
    last = performance.now();
    // The first piece starts the clock and is not counted.
    if (first === undefined) first = last;
    else octets += length;
  });
  await once(socket, 'end');
  return (octets * 8) / 1000 / (last - (first ?? last));
}

/** Write without a pause for `milliseconds`, or until the other end goes. */
async function fill(socket: Socket, milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (performance.now() < end && !socket.destroyed)
    if (!socket.write(PIECE)) await once(socket, 'drain');
  socket.end();
}

function serve(address: string): void {
  createServer({ allowHalfOpen: true }, (socket) => {
    void rateOf(socket).then((rate) => socket.end(String(rate)));
  }).listen(PORTS.up, address);
  createServer((socket) => {
    socket.once('data', (milliseconds) => void fill(socket, Number(milliseconds)));
  }).listen(PORTS.down, address, () => console.log('ready'));
}

async function measure(way: 'up' | 'down', address: string, milliseconds: number): Promise<number> {
  const socket = connect({ host: address, port: PORTS[way], allowHalfOpen: true });
  await once(socket, 'connect');
  if (way === 'down') {
    socket.write(String(milliseconds));
    const rate = await rateOf(socket);
    socket.destroy();
    return rate;
  }
  const answer = once(socket, 'data');
  await fill(socket, milliseconds);
  return Number((await answer)[0]);
}

const [mode = '', address = '', milliseconds = ''] = process.argv.slice(2);
if (mode === 'serve') serve(address);
else console.log(await measure(mode === 'up' ? 'up' : 'down', address, Number(milliseconds)));
