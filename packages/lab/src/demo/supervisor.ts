/**
 * The supervisor's own command, with its socket for DHCPv6 joined to the fake kernel behind the port of the loopback
 * interface that `PPP_THING_DHCP6` names. It always says that the session's interface is up: whether a message leaves is
 * for that kernel to decide. For Node.js only: under Bun a module keeps the functions that it imported.
 */
import dgram from 'node:dgram';
import { EventEmitter } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { LOOPBACK } from './relay.ts';
import { ADDRESSES } from './setting.ts';

const port = Number(process.env['PPP_THING_DHCP6']);
const { createSocket } = dgram;
const { networkInterfaces } = os;

/** As much of a UDP socket as the supervisor's DHCPv6 uses. */
function dhcp6Socket(): EventEmitter {
  const way = createSocket('udp4');
  const socket = new EventEmitter();
  way.on('message', (octets) =>
    socket.emit('message', octets, { address: `fe80::1%${ADDRESSES.session}` }),
  );
  return Object.assign(socket, {
    bind: (_to: unknown, done: () => void) => way.bind(0, LOOPBACK, done),
    send: (octets: Uint8Array, _port: number, _to: string, done: (error: Error | null) => void) =>
      way.send(octets, port, LOOPBACK, done),
    close: () => way.close(),
  });
}

Object.assign(dgram, {
  createSocket: (options: { readonly type?: string }) =>
    options.type === 'udp6' ? dhcp6Socket() : Reflect.apply(createSocket, dgram, [options]),
});
Object.assign(os, {
  networkInterfaces: () => ({
    ...networkInterfaces(),
    [ADDRESSES.session]: [{ family: 'IPv6', scopeid: 1, address: 'fe80::2' }],
  }),
});
syncBuiltinESMExports();
await import('@ppp-thing/supervisor/main');
