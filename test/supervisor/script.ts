/** A helper for tests: real framing over a real Unix socket, answers as the test wants them. */
import { createServer, type Server, type Socket } from 'node:net';
import { decodeRequest, Deframer, encodeMessage } from '@ppp-thing/protocol/ipc/framing';
import {
  MAX_REPLY,
  PROTOCOL_VERSION,
  type Request,
  type SessionState,
} from '@ppp-thing/protocol/ipc/messages';

export const STATE: SessionState = {
  session: 'pppoe0',
  role: 'BACKUP',
  carrier: true,
  attached: null,
  gateOpen: false,
  demoted: false,
  ourMac: Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 1),
};

const HELLO = { version: PROTOCOL_VERSION, platform: 'freebsd', pid: 4711, sessions: [STATE] };

/** What a test waits for: things that happen, counted by name. */
export class Happenings {
  readonly all: string[] = [];
  #wake: (() => void)[] = [];

  tell(name: string): void {
    this.all.push(name);
    for (const wake of this.#wake) wake();
  }

  count(name: string): number {
    return this.all.filter((each) => each === name).length;
  }

  async until(name: string, count = 1): Promise<void> {
    while (this.count(name) < count) await this.next();
  }

  /** Whatever happens next. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake.push(resolve);
    });
  }
}

/** A helper of the test's: real framing, scripted answers. */
export class Script {
  readonly requests: Request[] = [];
  readonly happened = new Happenings();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Octets to say to a request; nothing to stay silent. */
  answer: (request: Request) => readonly unknown[];

  constructor(answer: (request: Request) => readonly unknown[]) {
    this.answer = answer;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      this.happened.tell('connected');
      const deframer = new Deframer();
      socket.on('data', (chunk) => {
        for (const value of deframer.push(chunk)) {
          const request = decodeRequest(value);
          this.requests.push(request);
          for (const message of this.answer(request))
            socket.write(encodeMessage(message, MAX_REPLY));
          this.happened.tell(request.verb);
        }
      });
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  async listen(path: string): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(path, resolve));
  }

  say(octets: Uint8Array): void {
    for (const socket of this.#sockets) socket.write(octets);
  }

  /** Every connection ends; the next one is served. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The process is gone. */
  async die(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

const TRAFFIC = { octetsIn: 1500, octetsOut: 700, packetsIn: 3, packetsOut: 2 };

/** Knows pppoe0, and agrees to everything. */
export const friendly = ({ id, verb }: Request): readonly unknown[] => [
  { id, done: verb === 'hello' ? HELLO : verb === 'counters' ? TRAFFIC : null },
];
