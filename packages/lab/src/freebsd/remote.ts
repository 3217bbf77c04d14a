/**
 * A `Libc` that is elsewhere: each call goes to another process over a Unix socket and is waited for, as a call of a
 * kernel's is. It knows no system; what is behind the socket is `remote-door.ts`'s.
 */
import { Deframer, encodeMessage } from '@ppp-thing/protocol/ipc/framing';
import { SystemError, loadLibc, type Libc, type PollEntry } from '@ppp-thing/helper/libc';
import { AF_UNIX, POLLIN, SOCK_STREAM, noSignal, unixAddress } from '@ppp-thing/helper/unix';
import {
  ANSWERS,
  DONE,
  FAILED,
  LIMIT,
  POLLED,
  VERSION,
  WELCOME,
  type AnswerBody,
  type CallBody,
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

  const ask = <C extends CallName>(call: C, body: CallBody<C>): AnswerBody<C> => {
    calls.say({ call, body });
    const answer = calls.next();
    refuse(answer);
    if (!DONE.is(answer) || !isAnswer(call, answer.done)) throw calls.lost();
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
  return { platform: welcome.platform, ...asked(ask), poll };
}

/** What the other end's system refused is refused here, by the same errno. */
function refuse(answer: unknown): void {
  if (!FAILED.is(answer)) return;
  const { call, code, errno } = answer.failed;
  throw new SystemError(call, code, errno);
}

const isAnswer = <C extends CallName>(call: C, done: unknown): done is AnswerBody<C> =>
  ANSWERS[call].is(done);

type Ask = <C extends CallName>(call: C, body: CallBody<C>) => AnswerBody<C>;

/** Every synchronous call. */
function asked(ask: Ask): Omit<Libc, 'platform' | 'poll'> {
  return {
    open: (path, flags, mode = 0) => ask('open', { path, flags, mode }),
    close: (fd) => void ask('close', { fd }),
    read(fd, into) {
      const { result, octets } = ask('read', { fd, room: into.length });
      into.set(octets);
      return result;
    },
    write: (fd, data) => ask('write', { fd, data }),
    socket: (domain, type, protocol) => ask('socket', { domain, type, protocol }),
    bind: (fd, address) => void ask('bind', { fd, address }),
    listen: (fd, backlog) => void ask('listen', { fd, backlog }),
    accept: (fd) => ask('accept', { fd }),
    connect: (fd, address) => void ask('connect', { fd, address }),
    sendto: (fd, data, flags, address) =>
      ask('sendto', { fd, data, flags, address: address ?? null }),
    recvfrom(fd, into, flags, from) {
      const fromRoom = from?.length ?? null;
      const found = ask('recvfrom', { fd, room: into.length, flags, fromRoom });
      into.set(found.octets);
      from?.set(found.from);
      return { length: found.length, fromLength: found.fromLength };
    },
    getsockopt(fd, level, option, into) {
      const { result, octets } = ask('getsockopt', { fd, level, option, room: into.length });
      into.set(octets);
      return result;
    },
    setsockopt: (fd, level, option, value) => void ask('setsockopt', { fd, level, option, value }),
    ioctl(fd, request, argument, pointers = []) {
      const isNumber = typeof argument === 'number';
      const { result, ...updated } = ask('ioctl', {
        fd,
        request,
        octets: isNumber ? null : argument,
        number: isNumber ? argument : null,
        pointers: pointers.map(({ at, to }) => ({ at, to })),
      });
      if (!isNumber) argument.set(updated.octets);
      pointers.forEach(({ to }, i) => to.set(updated.pointers[i] ?? to));
      return result;
    },
    fcntl: (fd, command, argument) => ask('fcntl', { fd, command, argument }),
    pipe() {
      const { read, write } = ask('pipe', {});
      return [read, write];
    },
    sysctl: (name, room, value) => ask('sysctl', { name, room, value: value ?? null }),
    getpeereid(fd) {
      const { uid, gid, pid } = ask('getpeereid', { fd });
      return pid === null ? { uid, gid } : { uid, gid, pid };
    },
    kldload: (name) => void ask('kldload', { name }),
    unlink: (path) => void ask('unlink', { path }),
  };
}
