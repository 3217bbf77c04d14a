/**
 * A `Libc` that is elsewhere: each call goes to another process over a Unix socket and is waited for, as a call of a
 * kernel's is. It knows no system; what is behind the socket is `remote-door.ts`'s.
 */
import { Deframer, encodeMessage } from '@ppp-thing/protocol/ipc/framing';
import { SystemError, loadLibc, type Libc, type PollEntry } from '@ppp-thing/helper/libc';
import { AF_UNIX, POLLIN, SOCK_STREAM, noSignal, unixAddress } from '@ppp-thing/helper/unix';
import {
  buffersOf,
  CALLS,
  DONE,
  FAILED,
  isCallName,
  LIMIT,
  POLLED,
  VERSION,
  WELCOME,
  type CallName,
} from './remote-calls.ts';

const CHUNK = 64 * 1024;
/** The other end answers at once, or is gone. */
const GRACE_MS = 10_000;
const ECONNRESET = { linux: 104, freebsd: 54 } as const;

/** A connected stream socket, blocking. Throws SystemError, or BackendError for a path that is too long. */
export function connectTo(libc: Libc, path: string): number {
  const address = unixAddress(libc, path);
  const fd = libc.socket(AF_UNIX, SOCK_STREAM, 0);
  try {
    libc.connect(fd, address);
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** Messages over one connected socket of this system's, blocking. */
class Channel {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #deframer = new Deframer(LIMIT);
  readonly #chunk = new Uint8Array(CHUNK);
  readonly #arrived: unknown[] = [];

  constructor(libc: Libc, path: string) {
    this.#libc = libc;
    this.fd = connectTo(libc, path);
  }

  say(message: unknown): void {
    const octets = encodeMessage(message, LIMIT);
    for (let sent = 0; sent < octets.length;)
      sent += this.#libc.sendto(this.fd, octets.subarray(sent), noSignal(this.#libc));
  }

  next(): unknown {
    while (this.#arrived.length === 0) {
      const length = this.#libc.read(this.fd, this.#chunk);
      if (length <= 0) throw this.lost();
      this.#arrived.push(...this.#deframer.push(this.#chunk.subarray(0, length)));
    }
    return this.#arrived.shift();
  }

  lost(): SystemError {
    return new SystemError('remote libc', 'ECONNRESET', ECONNRESET[this.#libc.platform]);
  }
}

/** The `Libc` behind the socket at `path`, through this system's own. Throws SystemError when nobody is there. */
export async function connectLibc(path: string): Promise<Libc> {
  const here = await loadLibc();
  const calls = new Channel(here, path);
  calls.say({ channel: 'calls', version: VERSION });
  const welcome = calls.next();
  if (!WELCOME.is(welcome)) throw calls.lost();
  const polls = new Channel(here, path);
  polls.say({ channel: 'poll', version: VERSION, process: welcome.process });

  const ask = (call: CallName, given: readonly unknown[]): unknown => {
    const args = given.map((each, i) =>
      each instanceof Uint8Array && CALLS[call].includes(i)
        ? { room: each.length }
        : (each ?? null),
    );
    calls.say({ call, args });
    const answer = calls.next();
    refuse(answer);
    if (!DONE.is(answer)) throw calls.lost();
    for (const [i, buffer] of buffersOf(given).entries())
      buffer.set(answer.buffers[i] ?? new Uint8Array(0));
    return answer.done;
  };
  const poll = async (entries: readonly PollEntry[], timeoutMs: number): Promise<number> => {
    const wanted = Math.max(0, Math.trunc(timeoutMs));
    polls.say({
      entries: entries.map(({ fd, events }) => ({ fd, events })),
      timeoutMs: wanted,
    });
    const found = { fd: polls.fd, events: POLLIN, revents: 0 };
    if ((await here.poll([found], wanted + GRACE_MS)) === 0) throw polls.lost();
    const answer = polls.next();
    refuse(answer);
    if (!POLLED.is(answer)) throw polls.lost();
    entries.forEach((entry, i) => (entry.revents = answer.revents[i] ?? 0));
    return answer.found;
  };
  const asked = Object.keys(CALLS)
    .filter(isCallName)
    .map((call) => [call, (...args: readonly unknown[]) => ask(call, args)]);
  return { platform: welcome.platform, poll, ...Object.fromEntries(asked) } as Libc;
}

/** What the other end's system refused is refused here, by the same errno. */
function refuse(answer: unknown): void {
  if (!FAILED.is(answer)) return;
  const { call, code, errno } = answer.failed;
  throw new SystemError(call, code, errno);
}
