/**
 * A router that is nothing but the Linux backend: it arms a session that someone else negotiated and opens the gate on
 * demand. Runs in a network namespace of the kernel lab's guest. Usage: node holder.js SESSION-JSON.
 *
 * It prints one JSON line per thing that happens; on standard input it takes the words `go`, `stop` and `again`.
 */
import { createInterface } from 'node:readline';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import { fromHex, toHex } from '@ppp-thing/protocol/bytes';
import { loadLibc } from '@ppp-thing/helper/libc';
import { createLoop } from '@ppp-thing/helper/loop';
import { LinuxBackend } from '@ppp-thing/helper/linux/backend';
import type { SessionPolicy } from '@ppp-thing/helper/policy';

export interface Adopted {
  readonly sessionId: number;
  readonly acMac: string;
  readonly ourMac: string;
  readonly ourMagic: string;
  readonly ourAddress: readonly number[];
  readonly theirAddress: readonly number[];
}

const say = (line: object): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};
const log = (line: string): void => say({ log: line });
const now = (): number => performance.now();
const octets = (hex: string): Uint8Array => fromHex(hex.replaceAll(':', '')) ?? new Uint8Array();

const adopted = JSON.parse(process.argv[2] ?? '{}') as Adopted;
const libc = await loadLibc();
const loop = createLoop(libc, now, log);
const policy: SessionPolicy = {
  name: 'wan',
  interface: 'eth0',
  mac: octets(adopted.ourMac),
  policy: 'follow-carp',
  carp: { interface: 'eth1', address: Uint8Array.of(192, 168, 7, 1) },
  mtu: 1492,
  defaultRoute: true,
  fib: 0,
  demotion: 240,
};
const key = { sessionId: adopted.sessionId, acMac: octets(adopted.acMac) };
const settings = {
  mtu: 1492,
  up: false,
  ourAddress: Uint8Array.from(adopted.ourAddress),
  theirAddress: Uint8Array.from(adopted.theirAddress),
  interfaceIds: null,
};

let wentAt = 0;
const backend = new LinuxBackend({
  libc,
  loop,
  log,
  policy: { sessions: [policy] },
  events: {
    discoveryFrame: (_, source, payload) =>
      say({ discovery: toHex(source), octets: payload.length }),
    pppFrame(_, protocol, packet) {
      const since = now() - wentAt;
      say({ ppp: protocol.toString(16), packet: toHex(packet), since });
      if (protocol !== 0xc021 || packet[0] !== 9) return;
      const reply = packet.slice();
      reply[0] = 10;
      reply.set(octets(adopted.ourMagic), 4);
      wan.sendPpp(protocol, reply);
    },
    roles: (edges) => edges.forEach(({ role }) => say({ role })),
    carrier: (_, up) => say({ carrier: up }),
    ownMacHeard: (_, { epoch }) => say({ epoch }),
    sessionClosed: () => say({ closed: true }),
    dropped: (_, frames) => say({ dropped: frames }),
  },
});

const started = now();
const wan = backend.start(policy);
wan.attach(key, 1492);
wan.configure(settings);
say({ armed: now() - started, found: { ...wan.inspect(), attached: true } });

const echoRequest = Uint8Array.of(9, 0x77, 0, 8, ...octets(adopted.ourMagic));
let stopping = false;
createInterface({ input: process.stdin }).on('line', (word) => {
  loop.wake(() => {
    if (word === 'go') {
      wentAt = now();
      wan.gate(true);
      wan.announce({ epoch: 7, proof: NO_PROOF });
      wan.sendPpp(0xc021, echoRequest);
      wan.configure({ ...settings, up: true });
      wan.route('session');
      say({ gone: now() - wentAt, counters: wan.counters() });
    } else if (word === 'announce') {
      wan.announce({ epoch: 8, proof: NO_PROOF });
    } else {
      if (word === 'remove') backend.remove();
      else backend.leave();
      say({ left: word, counters: true });
      stopping = true;
    }
  });
});
await loop.run(() => stopping);
loop.close();
process.exit(0);
