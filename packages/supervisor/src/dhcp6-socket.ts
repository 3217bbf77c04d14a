/**
 * The supervisor's one UDP socket for DHCPv6 (RFC 9915 §7.2): sends to all servers on a session's interface, and
 * receives their answers. It does not read the messages.
 */
import { createSocket, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { codeOf } from './errors.ts';
import type { Log } from './log.ts';

const CLIENT_PORT = 546;
const SERVER_PORT = 547;
/** All_DHCP_Relay_Agents_and_Servers. */
const SERVERS = 'ff02::1:2';

interface Dhcp6Options {
  readonly log: Log;
  /** A datagram received on the interface of this name. */
  heard(session: string, octets: Uint8Array): void;
  /** The ports of the RFC, unless a test uses others. */
  readonly ports?: { readonly client: number; readonly server: number };
}

export interface Dhcp6Channel {
  /** Send to the servers on the session's interface. Does nothing if it is down, or has no link-local address. */
  send(session: string, octets: Uint8Array): void;
  /** Why the socket does not work; undefined while it does. */
  trouble(): string | undefined;
  close(): void;
}

/**
 * Bind the socket; returns when that has succeeded or failed. The port is below 1024, so there is no second attempt
 * after the process has dropped root. A failure is logged, and only DHCPv6 is affected.
 */
export async function openDhcp6(options: Dhcp6Options): Promise<Dhcp6Channel> {
  const { log, ports = { client: CLIENT_PORT, server: SERVER_PORT } } = options;
  const here = `[::]:${ports.client}`;
  let trouble: string | undefined;
  const wrong = (line: string): void => {
    if (trouble !== line) log.line('error', `dhcp6: ${line}`, `dhcp6 udp`);
    trouble = line;
  };
  const socket = await bound(ports.client).catch((error: unknown) => {
    wrong(`bind ${here}: ${codeOf(error)}: ${reason(codeOf(error))}`);
    return undefined;
  });
  if (socket !== undefined) log.line('info', `dhcp6: bind ${here}`);
  socket?.on('error', (error) => wrong(`receive on ${here}: ${codeOf(error)}`));
  socket?.on('message', (octets, from) => {
    const [, session] = from.address.split('%');
    // A server answers to our link-local address. Any other datagram comes from another network.
    if (session !== undefined) options.heard(session, new Uint8Array(octets));
  });
  return {
    send(session, octets) {
      // Check the name: the kernel would send to an unknown interface through whatever network it prefers.
      const isUp = networkInterfaces()[session]?.some(({ family, scopeid }) => {
        return family === 'IPv6' && scopeid > 0;
      });
      if (socket === undefined || isUp !== true) return;
      socket.send(octets, ports.server, `${SERVERS}%${session}`, (error) => {
        if (error === null) trouble = undefined;
        else wrong(`send on ${session}: ${codeOf(error)}`);
      });
    },
    trouble: () => trouble,
    close: () => socket?.close(),
  };
}

function bound(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: 'udp6', ipv6Only: true });
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ port, address: '::', exclusive: true }, () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

const reason = (code: string): string => {
  if (code === 'EACCES') return 'a port below 1024 needs a start as root, or CAP_NET_BIND_SERVICE';
  if (code === 'EADDRINUSE') return 'another DHCPv6 client has this port';
  return 'no prefix can be asked for';
};
