/**
 * One UDP socket between the two routers: bound to our address, and receiving only from the partner's. It does not read
 * the datagrams.
 */
import { createSocket, type Socket } from 'node:dgram';
import { codeOf } from './errors.ts';
import type { Log } from './log.ts';

export interface UdpOptions {
  /** IPv4, as text. */
  readonly localAddress: string;
  readonly address: string;
  /** Port at this end. */
  readonly port: number;
  /** Port at the partner's end; the same by default. */
  readonly partnerPort?: number;
  readonly log: Log;
  /** A datagram from the partner's address. */
  receive(octets: Uint8Array, fromPort: number): void;
  /** A datagram came from another address. */
  stranger(): void;
}

export interface Udp {
  send(octets: Uint8Array): void;
  /** Why the socket does not work; undefined while it does. */
  trouble(): string | undefined;
  close(): void;
}

/** Interval between attempts to bind an address that does not exist yet. */
const RETRY_MS = 2000;

/**
 * Bind the socket; returns when that has succeeded or failed. A failure is logged and retried every 2 s, because an
 * address may appear late. A port below 1024 gets only the first attempt, while the process is still root.
 */
export async function openUdp(options: UdpOptions): Promise<Udp> {
  const { localAddress, address, port, log } = options;
  const { partnerPort = port } = options;
  const here = `${localAddress}:${port}`;
  let socket: Socket | undefined;
  let trouble: string | undefined = `bind ${here}: not yet`;
  let retry: NodeJS.Timeout | undefined;
  let isClosed = false;

  const wrong = (line: string): void => {
    if (trouble !== line) log.line('error', `partner: ${line}`, `partner udp ${here}`);
    trouble = line;
  };
  const right = (line: string): void => {
    if (trouble !== undefined) log.line('info', `partner: ${line}`, `partner udp ${here}`);
    trouble = undefined;
  };

  const bind = (): Promise<void> =>
    new Promise((resolve) => {
      const opened = createSocket('udp4');
      const failed = (error: unknown): void => {
        opened.close();
        if (socket === opened) socket = undefined;
        wrong(`bind ${here}: ${codeOf(error)}: ${reason(codeOf(error))}`);
        if (!isClosed) retry = setTimeout(() => void bind(), RETRY_MS);
        resolve();
      };
      opened.once('error', failed);
      opened.on('message', (octets, from) => {
        if (from.address === address) options.receive(new Uint8Array(octets), from.port);
        else options.stranger();
      });
      opened.bind({ address: localAddress, port, exclusive: true }, () => {
        if (isClosed) return void opened.close();
        socket = opened;
        right(`bind ${here}: partner ${address}:${partnerPort}`);
        resolve();
      });
    });

  await bind();
  return {
    send(octets) {
      socket?.send(octets, partnerPort, address, (error) => {
        if (error === null) right(`send to ${address}: works`);
        else wrong(`send to ${address}: ${codeOf(error)}`);
      });
    },
    trouble: () => trouble,
    close() {
      isClosed = true;
      clearTimeout(retry);
      socket?.close();
      socket = undefined;
    },
  };
}

const reason = (code: string): string => {
  if (code === 'EACCES') return 'a port below 1024 needs a start as root';
  if (code === 'EADDRNOTAVAIL') return 'no interface has this address; trying again';
  if (code === 'EADDRINUSE') return 'another program has this port; trying again';
  return 'trying again';
};
