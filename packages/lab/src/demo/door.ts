/**
 * The Unix socket between one router's helper and its simulated kernel, as `@ppp-thing/helper/sim/line` has it: calls
 * answered at once, events as they come. It holds nothing of the kernel.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { Deframer, encodeMessage, FramingError } from '@ppp-thing/protocol/ipc/framing';
import {
  isCall,
  LINE_VERSION,
  OPENING,
  type Answer,
  type Call,
  type LineEvent,
  type Opening,
} from '@ppp-thing/helper/sim/line';

/** Octets that may wait for a helper that does not read. Beyond it frames are shed, as a kernel's socket buffer does. */
const BACKLOG = 1024 * 1024;

export class Door {
  readonly #server: Server;
  readonly #call: (call: Call) => Answer;
  readonly #sockets = new Set<Socket>();
  #listener: Socket | undefined;
  /** Frames shed since the helper was last told, by session. */
  readonly #shed = new Map<string, number>();

  constructor(call: (call: Call) => Answer) {
    this.#call = call;
    this.#server = createServer((socket) => this.#welcome(socket));
  }

  async open(path: string): Promise<void> {
    this.#server.listen(path);
    await once(this.#server, 'listening');
  }

  /** End every connection and listen no more. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** To the helper that listens now, if one does. */
  tell(event: LineEvent): void {
    const socket = this.#listener;
    if (socket === undefined) return;
    if (socket.writableLength > BACKLOG) {
      this.#shed.set(event.session, (this.#shed.get(event.session) ?? 0) + 1);
      return;
    }
    for (const [session, frames] of this.#shed)
      socket.write(encodeMessage({ event: 'dropped', session, frames } satisfies LineEvent));
    this.#shed.clear();
    socket.write(encodeMessage(event));
  }

  #welcome(socket: Socket): void {
    this.#sockets.add(socket);
    const deframer = new Deframer();
    let channel: Opening['channel'] | undefined;
    socket.on('data', (chunk: Uint8Array) => {
      try {
        for (const message of deframer.push(chunk)) {
          if (channel === undefined) channel = this.#begin(socket, message);
          else this.#serve(socket, channel, message);
        }
      } catch (error) {
        if (!(error instanceof FramingError)) throw error;
        socket.destroy();
      }
    });
    // A helper that is killed leaves a broken connection: that is what the lab is for.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#listener === socket) this.#listener = undefined;
    });
  }

  #begin(socket: Socket, message: unknown): Opening['channel'] {
    if (!OPENING.is(message) || message.version !== LINE_VERSION)
      throw new FramingError('not an opening of our version');
    socket.write(encodeMessage({ done: null } satisfies Answer));
    if (message.channel === 'events') {
      this.#listener?.destroy();
      this.#listener = socket;
    }
    return message.channel;
  }

  #serve(socket: Socket, channel: Opening['channel'], message: unknown): void {
    if (channel !== 'calls' || !isCall(message)) throw new FramingError('not a call');
    socket.write(encodeMessage(this.#call(message)));
  }
}
