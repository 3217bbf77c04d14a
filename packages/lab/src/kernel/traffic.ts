/**
 * The kernel lab's traffic: a server on the Internet's side that returns what it gets, and a LAN host that probes it with
 * UDP a hundred times a second, or as often as it is told, and keeps one TCP connection. Runs in a namespace of the guest; knows nothing of routers.
 *
 * `node traffic.js serve ADDRESS` and `node traffic.js probe ADDRESS [MILLISECONDS]`. The probe prints one JSON object of `Traffic` for
 * each line on its standard input; the line `begin` starts the counts and the gaps anew.
 */
import { createSocket } from 'node:dgram';
import { createServer, connect } from 'node:net';
import { createInterface } from 'node:readline';

const PORT = 7000;
/** Where in a probe the server writes its count. */
const ARRIVED_AT = 4;
/** Milliseconds between probes unless told. */
const PROBE_INTERVAL = 10;
/** A probe is lost if it has not come back by then. */
const PROBE_LIMIT = 500;
const TCP_INTERVAL = 20;

export interface Traffic {
  readonly probesSent: number;
  readonly probesLost: number;
  /** Of these, those that never reached the server. */
  readonly probesLostUp: number;
  /** Longest time without a probe that came back, milliseconds. */
  readonly gapMs: number;
  /** How long probes have been coming back without a break until now, milliseconds; 0 in a break. */
  readonly steadyMs: number;
  readonly tcpAlive: boolean;
  /** Octets that came back on the one TCP connection. */
  readonly tcpEchoes: number;
  readonly tcpGapMs: number;
  readonly tcpSteadyMs: number;
}

/** A silence as long as this is a break. */
const BREAK = 100;

const familyOf = (address: string): 'udp4' | 'udp6' => (address.includes(':') ? 'udp6' : 'udp4');

function serve(address: string): void {
  const udp = createSocket(familyOf(address));
  // How many probes have come so far goes back with each, so that what was lost on the way up is told from the rest.
  let arrived = 0;
  udp.on('message', (data, { address: to, port }) => {
    arrived++;
    if (data.length >= ARRIVED_AT + 4) data.writeUInt32BE(arrived, ARRIVED_AT);
    udp.send(data, port, to);
  });
  udp.bind(PORT, address, () => console.log('ready'));
  createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  }).listen(PORT, address);
}

/** Times between events: the longest since `restart`, and since when there was no break. */
class Rhythm {
  #last = performance.now();
  #longest = 0;
  #steadySince = this.#last;

  seen(): void {
    const now = performance.now();
    const gap = now - this.#last;
    this.#longest = Math.max(this.#longest, gap);
    if (gap > BREAK) this.#steadySince = now;
    this.#last = now;
  }

  restart(): void {
    this.#longest = 0;
  }

  get gapMs(): number {
    return Math.round(Math.max(this.#longest, performance.now() - this.#last));
  }

  get steadyMs(): number {
    const now = performance.now();
    return now - this.#last > BREAK ? 0 : Math.round(now - this.#steadySince);
  }
}

function probe(address: string, interval: number): void {
  const udp = createSocket(familyOf(address));
  /** When each probe that has not come back was sent. */
  const waiting = new Map<number, number>();
  const replies = new Rhythm();
  let sequence = 0;
  let sent = 0;
  let lost = 0;
  /** Probes sent before the last that came back, less those that the server has had: lost on the way up, and those begun with. */
  let missing = -Infinity;
  let missingBefore: number | undefined;
  udp.on('message', (data) => {
    replies.seen();
    waiting.delete(data.readUInt32BE(0));
    const way = data.readUInt32BE(0) - data.readUInt32BE(ARRIVED_AT);
    missing = Math.max(missing, way);
    missingBefore ??= way;
  });
  // A router without a route answers with an ICMP error; the probe is then lost like any other.
  udp.on('error', () => undefined);
  setInterval(() => {
    const data = Buffer.alloc(64);
    data.writeUInt32BE(sequence, 0);
    waiting.set(sequence, performance.now());
    sequence = (sequence + 1) >>> 0;
    sent++;
    udp.send(data, PORT, address, () => undefined);
    for (const [number, at] of waiting) {
      if (performance.now() - at < PROBE_LIMIT) break;
      waiting.delete(number);
      lost++;
    }
  }, interval);

  const tcpReplies = new Rhythm();
  let alive = true;
  let echoes = 0;
  const tcp = connect(PORT, address);
  tcp.setNoDelay(true);
  tcp.on('data', (data) => {
    tcpReplies.seen();
    echoes += data.length;
  });
  for (const end of ['error', 'close'] as const)
    tcp.on(end, () => {
      alive = false;
    });
  tcp.on('connect', () => console.log('ready'));
  setInterval(() => {
    if (alive) tcp.write('x');
  }, TCP_INTERVAL);

  createInterface({ input: process.stdin }).on('line', (word) => {
    if (word === 'begin') {
      for (const rhythm of [replies, tcpReplies]) rhythm.restart();
      sent = 0;
      lost = 0;
      missing = -Infinity;
      missingBefore = undefined;
      echoes = 0;
    }
    const report: Traffic = {
      probesSent: sent,
      probesLost: lost,
      probesLostUp: missingBefore === undefined ? 0 : missing - missingBefore,
      gapMs: replies.gapMs,
      steadyMs: replies.steadyMs,
      tcpAlive: alive,
      tcpEchoes: echoes,
      tcpGapMs: tcpReplies.gapMs,
      tcpSteadyMs: tcpReplies.steadyMs,
    };
    console.log(JSON.stringify(report));
  });
}

const [mode, address = '', interval = ''] = process.argv.slice(2);
if (mode === 'serve') serve(address);
else probe(address, Number(interval) || PROBE_INTERVAL);
