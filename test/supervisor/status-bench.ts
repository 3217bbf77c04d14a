/**
 * A supervisor for tests of its sockets: the real one, with a scripted helper on a real socket, behind the real status
 * and control sockets. The scripted helper's AC answers Echo-Requests; there is no other network.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { encodeMessage } from '@ppp-thing/protocol/ipc/framing';
import {
  PROTOCOL_VERSION,
  type Notice,
  type Request,
  type SessionState,
} from '@ppp-thing/protocol/ipc/messages';
import type { PartnerMessage, Snapshot } from '@ppp-thing/protocol/session';
import { readConfig } from '@ppp-thing/supervisor/config';
import { Log } from '@ppp-thing/supervisor/log';
import type { PartnerChannel } from '@ppp-thing/supervisor/partner-channel';
import { Running } from '@ppp-thing/supervisor/running';
import { startStatusServers } from '@ppp-thing/supervisor/status-server';
import { Store } from '@ppp-thing/supervisor/store';
import { SNAPSHOT } from '../fixtures/partner.ts';
import { Script, STATE } from './script.ts';

export const PASSWORD = 'kept from everybody';

export interface Bench {
  /** Of the two sockets. */
  readonly directory: string;
  readonly config: string;
  readonly supervisor: Running;
  readonly script: Script;
  readonly log: Log;
  /** What was reported to the log by the servers. */
  readonly reports: string[];
  ask(socket: 'status' | 'control', method: string, path: string, body?: string): Promise<Answer>;
  /** Say it as the helper. */
  notice(notice: Notice): void;
  /** Until the supervisor is as the test wants it; looked at whenever something happens. */
  until(isReached: () => boolean): Promise<void>;
}

export interface Answer {
  readonly code: number;
  readonly body: string;
  readonly allow?: string | undefined;
}

export interface BenchOptions {
  readonly role?: SessionState['role'];
  readonly policy?: 'follow-carp' | 'pinned';
  /** What the disk holds; by default a session that this router held. */
  readonly stored?: Snapshot;
  /** Whether there is a helper. */
  readonly helper?: boolean;
  /** Whether there is a partner: armed, in sync, and MASTER as soon as this router demotes itself. */
  readonly partner?: boolean;
}

/** Agrees to everything, knows pppoe0, has traffic; an LCP Echo-Request comes back as its reply (RFC 1661 §5.8). */
const helperWith =
  (role: SessionState['role']) =>
  (asked: Request): readonly unknown[] => {
    const { id, verb } = asked;
    if (verb === 'hello') {
      const sessions = [{ ...STATE, role }];
      return [
        { id, done: { version: PROTOCOL_VERSION, platform: 'freebsd', pid: 4711, sessions } },
      ];
    }
    if (verb === 'counters') {
      return [{ id, done: { octetsIn: 1500, octetsOut: 700, packetsIn: 3, packetsOut: 2 } }];
    }
    if (verb !== 'ppp-send' || asked.packet[0] !== 9) return [{ id, done: null }];
    const packet = Uint8Array.from(asked.packet);
    packet[0] = 10;
    packet.set([1, 2, 3, 4], 4);
    const reply = { notice: 'ppp-frame', session: asked.session, protocol: asked.protocol, packet };
    return [{ id, done: null }, reply];
  };

/**
 * The other router, as far as this one can tell: armed, with whatever snapshot it was told, and the one CARP gives the
 * role to once this router yields. What it would send as datagrams is heard at once.
 */
class ScriptedPartner implements PartnerChannel {
  hear: (message: PartnerMessage) => void = () => undefined;
  moved: () => void = () => undefined;

  tell(_session: string, { snapshot, yielding }: PartnerMessage): void {
    if (!yielding || snapshot.holder === 2)
      return this.#say({ role: 'BACKUP', armed: true, snapshot });
    const taken = { ...snapshot, epoch: snapshot.epoch + 1, holder: 2 };
    this.#say({ role: 'MASTER', open: true, proven: true, snapshot: taken });
    this.moved();
  }

  #say(message: Partial<PartnerMessage> & Pick<PartnerMessage, 'role' | 'snapshot'>): void {
    const silent = { armed: false, open: false, proven: false, yielding: false, hearing: true };
    setImmediate(() => this.hear({ sender: 2, healthy: true, ...silent, ...message }));
  }

  proof(): Uint8Array {
    return NO_PROOF;
  }

  believes(): boolean {
    return false;
  }

  counters(): ReturnType<PartnerChannel['counters']> {
    return { datagramsIn: 5, datagramsOut: 7, datagramsRefused: { forged: 1, replayed: 2 } };
  }

  refused(): Readonly<Record<string, number>> {
    return {};
  }

  clockOffset(): number {
    return -1250;
  }

  differs(): readonly string[] {
    return ['mtu'];
  }

  trouble(): undefined {
    return undefined;
  }

  close(): void {}
}

const PARTNER = `
[partner]
local_address = "10.99.0.2"
address = "10.99.0.3"
router_id = 1
partner_id = 2
`;

export async function bench(t: Pick<Test, 'teardown'>, options: BenchOptions = {}): Promise<Bench> {
  const { role = 'MASTER', policy = 'follow-carp', stored = SNAPSHOT, helper = true } = options;
  const partner = options.partner === true ? new ScriptedPartner() : undefined;
  const directory = mkdtempSync(join(tmpdir(), 'ppp-thing-status-'));
  mkdirSync(join(directory, 'db'));
  const file = join(directory, 'ppp_thing.conf');
  writeFileSync(
    file,
    `[supervisor]
state_directory = "${directory}/db"
run_directory = "${directory}"
[helper]
socket = "${directory}/helper.sock"

[session.pppoe0]
interface = "igb0"
mac = "02:00:5e:10:53:01"
user = "alice"
password = "${PASSWORD}"
policy = "${policy}"
carp_vhid = 3
carp_address = "192.168.7.1"
${partner === undefined ? '' : PARTNER}`,
  );
  const config = readConfig(file);
  const log = new Log(
    'info',
    () => undefined,
    () => 0,
  );
  const script = new Script(helperWith(role));
  if (helper) await script.listen(join(directory, 'helper.sock'));
  const store = new Store(config.stateDirectory, log);
  if (stored.epoch > 0) store.save('pppoe0', stored);
  const supervisor = new Running({ config, version: '0.1.0', log, store, partner });
  const notice = (said: Notice): void => script.say(encodeMessage(said));
  if (partner !== undefined) {
    partner.hear = (message) => supervisor.hear('pppoe0', message);
    partner.moved = () =>
      notice({ notice: 'role', session: 'pppoe0', role: 'BACKUP', gateOpen: false });
  }
  const reports: string[] = [];
  const servers = await startStatusServers(supervisor, directory, (line) => reports.push(line));
  t.teardown(async () => {
    servers.close();
    supervisor.stop();
    if (helper) await script.die();
    rmSync(directory, { recursive: true });
  });
  const until = (isReached: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const stop = supervisor.subscribe(() => look());
      const look = (): void => {
        if (!isReached()) return;
        stop();
        resolve();
      };
      look();
    });
  supervisor.start();
  return {
    directory,
    config: file,
    supervisor,
    script,
    log,
    reports,
    ask: (socket, method, path, body = '') => ask(directory, socket, method, path, body),
    notice,
    until,
  };
}

/** A bench whose session is up: this router holds it and the AC has answered. */
export async function holding(t: Pick<Test, 'teardown'>, options?: BenchOptions): Promise<Bench> {
  const made = await bench(t, options);
  await made.until(() => made.supervisor.session('pppoe0')?.status.proven === true);
  // As if an edge had made it MASTER.
  const steps = { gate: 210, up: 340, route: 480, told: 530 };
  made.notice({ notice: 'forwarded', session: 'pppoe0', ...steps });
  await made.supervisor.traffic('pppoe0');
  return made;
}

function ask(
  directory: string,
  socket: 'status' | 'control',
  method: string,
  path: string,
  body: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socketPath = join(directory, `${socket}.sock`);
    const asked = request({ socketPath, method, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () => {
        const { statusCode: code = 0, headers } = response;
        resolve({ code, body: text, allow: headers.allow });
      });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}
