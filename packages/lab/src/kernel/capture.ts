/**
 * What was said on the line: a capture of discovery, PPP control packets and announces (no data), read back with tshark,
 * whose dissectors are not ours. It runs in the guest to capture and on the host to read.
 */
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { inside } from './net.ts';
import { GUEST_RESULT } from './uml.ts';

/** PPP's Protocol field stands 20 octets into a frame of EtherType 0x8864; control protocols are 0x8000 and above. */
const FILTER =
  'ether proto 0x8863 or ether proto 0x8035 or (ether proto 0x8864 and ether[20:2] >= 0x8000)';

/** A takeover says nothing to a DHCPv6 server: no message of its port within this time of one, milliseconds. */
export const QUIET_MS = 3000;

/** What moves the LAN from one router to the other. */
export const LAN_FILTER = 'vrrp or arp';

/** Begin to capture on the switch; resolves when tcpdump listens, to what ends it. */
export async function startCapture(
  file: string,
  filter = FILTER,
  bridge = 'line',
): Promise<() => Promise<void>> {
  const words = ['-i', bridge, '-U', '-Z', 'root', '-w', `${GUEST_RESULT}/${file}`, filter];
  const tcpdump = execa('ip', inside('sw', 'tcpdump', ...words), {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
    reject: false,
  });
  const said: string[] = [];
  for await (const line of createInterface({ input: tcpdump.stderr })) {
    said.push(line);
    if (!line.includes('listening on')) continue;
    // The interface has paused it, and tcpdump says more at its end.
    tcpdump.stderr.resume();
    return async () => {
      tcpdump.kill('SIGINT');
      await tcpdump;
    };
  }
  throw new Error(`tcpdump ended: ${said.join('; ')}`);
}

export interface LineReport {
  readonly frames: number;
  /** Frames with our session MAC as source that tshark calls malformed, in error or worth a warning. */
  readonly malformed: number;
  /** PADTs to or from our session MAC. */
  readonly padt: number;
  readonly padi: number;
  /** SESSION_IDs in frames from our session MAC. */
  readonly sessionIds: readonly number[];
  /** From the PADI that was answered first to the last IPCP Configure-Ack of the dial, by the Host's MAC, milliseconds. */
  readonly dialMs: Readonly<Record<string, number>>;
}

/** tshark's severities: a warning, as for an option that runs past its end; an error is above it. */
const EXPERT_WARNING = 0x60_0000;
const CODE = { PADI: 0x09, PADT: 0xa7 } as const;
const IPCP = 0x8021;
const LCP = 0xc021;
const CONFIGURE_REQUEST = 1;
const CONFIGURE_ACK = 2;

/** The fields of each frame, as tshark prints them. @param filter of tshark's; every frame unless given */
export async function fieldsOf(
  path: string,
  fields: readonly string[],
  filter?: string,
): Promise<readonly string[][]> {
  const words = ['-n', '-r', path, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])];
  const only = filter === undefined ? [] : ['-Y', filter];
  const options = { stderr: 'ignore', reject: false } as const;
  const { stdout } = await execa('tshark', [...words, ...only], options);
  const rows = stdout.split('\n').filter((row) => row !== '');
  return rows.map((row) => row.split('\t'));
}

/** A frame of discovery or PPP control; `time` in seconds since 1970. */
export interface Frame {
  readonly time: number;
  readonly source: string;
  readonly destination: string;
  readonly code: number;
  readonly sessionId: number;
  readonly isConfigureRequest: boolean;
  readonly isIpcpAck: boolean;
  readonly isBad: boolean;
}

/** Every frame of a capture of the line, in order. `path` is the host's. */
export async function readFrames(path: string): Promise<readonly Frame[]> {
  const ethernet = ['frame.time_epoch', 'eth.src', 'eth.dst'];
  const ppp = ['pppoe.code', 'pppoe.session_id', 'ppp.protocol', 'ppp.code'];
  const fields = [...ethernet, ...ppp, '_ws.malformed', '_ws.expert.severity'];
  return (await fieldsOf(path, fields)).map(
    ([time, source = '', destination = '', code, id, protocol, of, bad = '', severity = '']) => ({
      time: Number(time),
      source,
      destination,
      code: Number(code),
      sessionId: Number(id),
      isConfigureRequest: Number(protocol) === LCP && Number(of) === CONFIGURE_REQUEST,
      isIpcpAck: Number(protocol) === IPCP && Number(of) === CONFIGURE_ACK,
      isBad: bad !== '' || severity.split(',').some((each) => Number(each) >= EXPERT_WARNING),
    }),
  );
}

export const isPadi = ({ code }: Frame): boolean => code === CODE.PADI;

/** Read a capture. `path` is the host's. */
export async function readCapture(path: string, ourMac: string): Promise<LineReport> {
  const frames = await readFrames(path);
  const ours = frames.filter(({ source }) => source === ourMac);
  const ofSession = frames.filter(
    ({ source, destination }) => source === ourMac || destination === ourMac,
  );
  const dialMs: Record<string, number> = {};
  for (const { source, time } of frames.filter(isPadi)) {
    if (dialMs[source] !== undefined) continue;
    const acked = frames.filter(
      (frame) =>
        frame.time >= time &&
        frame.isIpcpAck &&
        (frame.source === source || frame.destination === source),
    );
    // One from each end: then IPCP is Opened.
    const last = acked[1];
    if (last) dialMs[source] = Math.round((last.time - time) * 1000);
  }
  return {
    frames: frames.length,
    malformed: ours.filter(({ isBad }) => isBad).length,
    padt: ofSession.filter(({ code }) => code === CODE.PADT).length,
    padi: ours.filter(isPadi).length,
    sessionIds: [...new Set(ours.map(({ sessionId }) => sessionId))].filter((id) => id > 0),
    dialMs,
  };
}

/** What the change of the MASTER looked like on LAN and line, milliseconds from the new MASTER's first advertisement. */
export interface Edge {
  readonly from: string;
  /** Since the last advertisement of the one before. */
  readonly sinceLast: number;
  readonly arp: number | undefined;
  readonly announce: number | undefined;
  readonly echoRequest: number | undefined;
  readonly echoReply: number | undefined;
}

/** How long after an edge its frames are looked for, milliseconds. */
const EDGE_SPAN = 500;
const ANNOUNCE = 0x8035;
const ECHO_REQUEST = 9;
const ECHO_REPLY = 10;

/** The edges between two routers, from the captures of the LAN and of the line. */
export async function readEdges(lan: string, line: string, mac: string): Promise<readonly Edge[]> {
  const onLan = await fieldsOf(lan, [
    'frame.time_epoch',
    'ip.src',
    'vrrp.prio',
    'arp.isgratuitous',
  ]);
  const fields = ['frame.time_epoch', 'eth.src', 'eth.type', 'ppp.protocol', 'ppp.code'];
  const onLine = await fieldsOf(line, fields);
  const advertisements = onLan.filter(([, , priority = '']) => Number(priority) > 0);
  const arps = onLan.filter(([, , , isGratuitous = '']) => isGratuitous !== '');
  const announces = onLine.filter(([, , type]) => Number(type) === ANNOUNCE);
  const lcp = (code: number, isOurs: boolean): readonly string[][] =>
    onLine.filter(
      ([, source, , protocol, of]) =>
        Number(protocol) === LCP && Number(of) === code && (source === mac) === isOurs,
    );
  const [requests, replies] = [lcp(ECHO_REQUEST, true), lcp(ECHO_REPLY, false)];
  return advertisements.flatMap(([time, from = ''], i) => {
    const [timeBefore, before] = advertisements[i - 1] ?? [time, from];
    if (before === from) return [];
    const since = (other: string | undefined): number =>
      Math.round((Number(other) - Number(time)) * 1e5) / 100;
    const first = (rows: readonly string[][]): number | undefined =>
      rows.map(([at]) => since(at)).find((at) => at >= 0 && at < EDGE_SPAN);
    const times = {
      arp: first(arps),
      announce: first(announces),
      echoRequest: first(requests),
      echoReply: first(replies),
    };
    return [{ from, sinceLast: -since(timeBefore), ...times }];
  });
}
