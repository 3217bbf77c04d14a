/**
 * The supervisor's one UDP socket for DHCPv6 (RFC 9915 §7.2): to all servers on a session's interface, and what servers
 * answer there. What is said on it is not its business.
 */
import { createSocket, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { codeOf } from './errors.ts';
import type { Log } from './log.ts';

const CLIENT_PORT = 546;
const SERVER_PORT = 547;
/** All_DHCP_Relay_Agents_and_Servers. */
const SERVERS = 'ff02::1:2';

export interface Dhcp6Options {
  readonly log: Log;
  /** A datagram that came in by the interface of this name. */
  heard(session: string, octets: Uint8Array): void;
  /** Where it listens and whom it asks; the ports of the RFC unless a test has others. */
  readonly ports?: { readonly client: number; readonly server: number };
}

export interface Dhcp6Channel {
  /** To the servers on the session's interface. One that is down, or has no link-local address, is sent nothing. */
  send(session: string, octets: Uint8Array): void;
  /** Why nothing can be sent or heard; undefined while it works. */
  trouble(): string | undefined;
  close(): void;
}

/**
 * Bind, and return when that has succeeded or failed. The port is below 1024, so this is the one chance, while the
 * process is still root; a failure is logged and leaves everything but DHCPv6 as it is.
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
    // A server answers to our link-local address; anything else came from another network.
    if (session !== undefined) options.heard(session, new Uint8Array(octets));
  });
  return {
    send(session, octets) {
      // Without this look a name that is no interface would send to whatever network the kernel prefers.
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
