/**
 * The lab's router kernel behind a Unix socket, on a thread of its own: what a sim backend under test talks to. The test
 * plays the line and CARP through messages to the thread.
 */
import { createServer, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { RouterKernel, type KernelEvent } from '@ppp-thing/lab/line/router';
import { OPENING, isCall } from '@ppp-thing/helper/sim/line';
import { Deframer, encodeMessage } from '@ppp-thing/protocol/ipc/framing';

/** What the test says; each is answered by `{ did }` once it is done. */
export interface Order {
  readonly order: number;
  readonly event: KernelEvent;
}

export type Report = { readonly did: number } | { readonly frame: Uint8Array };

const port = parentPort;
if (port === null) throw new Error('this runs as a thread');
const report = (message: Report): void => port.postMessage(message);

const kernel = new RouterKernel();
let events: Socket | undefined;

/** What the kernel puts out goes where it belongs; the answer to a call is returned. */
function handle(event: KernelEvent): unknown {
  let answered: unknown;
  for (const output of kernel.handle(event)) {
    if (output.kind === 'answer') answered = output.answer;
    else if (output.kind === 'transmit') report({ frame: output.frame });
    else if (output.kind === 'event') events?.write(encodeMessage(output.event));
  }
  return answered;
}

const server = createServer((socket) => {
  const deframer = new Deframer();
  let opened = false;
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    for (const message of deframer.push(chunk)) {
      if (isCall(message)) {
        socket.write(encodeMessage(handle({ kind: 'call', call: message })));
      } else if (!opened && OPENING.is(message)) {
        if (message.channel === 'events') events = socket;
        socket.write(encodeMessage({ done: null }));
      } else {
        socket.write(encodeMessage({ failed: { code: 'EPROTO', reason: 'not a call' } }));
      }
      opened = true;
    }
  });
});

port.on('message', ({ order, event }: Order) => {
  handle(event);
  report({ did: order });
});

server.listen(String(workerData), () => report({ did: 0 }));
