/**
 * The link between the two supervisors: a UDP relay on the loopback interface, so that the lab sees each datagram
 * pass. It reads nothing of them.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { RouterName } from './bus.ts';

export const LOOPBACK = '127.0.0.1';

/** Where one router's supervisor is, and where it finds its partner. */
export interface Ends {
  /** The supervisor's own port. */
  readonly port: number;
  /** The relay's, which stands for the partner. */
  readonly partnerPort: number;
}

export class Relay {
  readonly ends: Readonly<Record<RouterName, Ends>>;
  readonly #sockets: Readonly<Record<RouterName, Socket>>;
  readonly #passed: (from: RouterName, octets: number) => void;

  private constructor(
    sockets: Readonly<Record<RouterName, Socket>>,
    ports: Readonly<Record<RouterName, number>>,
    passed: (from: RouterName, octets: number) => void,
  ) {
    this.#sockets = sockets;
    this.#passed = passed;
    this.ends = {
      r1: { port: ports.r1, partnerPort: sockets.r1.address().port },
      r2: { port: ports.r2, partnerPort: sockets.r2.address().port },
    };
    sockets.r1.on('message', (octets) => this.#carry('r1', 'r2', octets));
    sockets.r2.on('message', (octets) => this.#carry('r2', 'r1', octets));
  }

  /** @param passed called for each datagram that was carried, with its length */
  static async open(passed: (from: RouterName, octets: number) => void): Promise<Relay> {
    const sockets = { r1: await bound(), r2: await bound() };
    return new Relay(sockets, { r1: await freePort(), r2: await freePort() }, passed);
  }

  close(): void {
    this.#sockets.r1.close();
    this.#sockets.r2.close();
  }

  /** What `from` says to its partner leaves from the socket that stands for `from` at the other. */
  #carry(from: RouterName, to: RouterName, octets: Uint8Array): void {
    // Nobody may listen at the other end: a supervisor that is dead is what the lab is for.
    this.#sockets[to].send(octets, this.ends[to].port, LOOPBACK, () => {});
    this.#passed(from, octets.length);
  }
}

/** A socket of this host's own. */
export async function bound(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, LOOPBACK);
  await once(socket, 'listening');
  // Linux reports a port that refused a datagram as an error of a later send.
  socket.on('error', () => {});
  return socket;
}

/** A port that was free a moment ago. A supervisor that finds it taken tries again. */
async function freePort(): Promise<number> {
  const socket = await bound();
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}
