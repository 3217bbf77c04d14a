/**
 * DHCPv6 between a supervisor and the fake kernel of its router: the lab's end of a socket on the loopback interface
 * that stands for UDP port 546. It reads nothing of the messages.
 */
import type { Socket } from 'node:dgram';
import { bound, LOOPBACK } from './relay.ts';

export class Dhcp6Port {
  readonly #socket: Socket;
  /** Where the supervisor that spoke last is. */
  #supervisor: number | undefined;
  /** A message of the supervisor's. */
  sent: (octets: Uint8Array) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (octets, { port }) => {
      this.#supervisor = port;
      this.sent(new Uint8Array(octets));
    });
  }

  static async open(): Promise<Dhcp6Port> {
    return new Dhcp6Port(await bound());
  }

  /** Of this end. */
  get number(): number {
    return this.#socket.address().port;
  }

  /** A message for the supervisor has come in. */
  receive(octets: Uint8Array): void {
    // Nobody may listen: a supervisor that is dead is what the lab is for.
    if (this.#supervisor !== undefined)
      this.#socket.send(octets, this.#supervisor, LOOPBACK, () => {});
  }

  close(): void {
    this.#socket.close();
  }
}
