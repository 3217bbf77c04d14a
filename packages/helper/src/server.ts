/**
 * The helper's socket: admits one supervisor by its uid and keeps the newest. `requests.ts` performs the requests.
 */
import type { Notice } from '@ppp-thing/protocol/ipc/messages';
import { Connection } from './connection.ts';
import { SystemError, type Libc } from './libc.ts';
import type { MainLoop } from './loop.ts';
import type { Requests } from './requests.ts';
import { POLLIN, setCloseOnExec, setNonblocking } from './unix.ts';

interface ServerOptions {
  readonly libc: Libc;
  readonly loop: MainLoop;
  /** The one uid whose process may connect. */
  readonly uid: number;
  readonly requests: Requests;
  readonly log: (line: string) => void;
}

export interface Server {
  /** Send a notice to the supervisor, if one has sent `hello`. */
  notify(notice: Notice): void;
  /** Close the supervisor's connection, so that it reconnects and reads the current state. */
  greetAgain(reason: string): void;
  /** Accept connections on `listener`, a non-blocking descriptor that the server owns from now on. */
  listen(listener: number): void;
  /** Stop listening and close the supervisor's connection. */
  close(): void;
}

/** Connections accepted in one turn: a client that connects in a loop must not delay a role's edge. */
const ACCEPTED_A_TURN = 4;
/** Pause after the kernel refused to accept a connection, for want of a descriptor. */
const ACCEPT_PAUSE_MS = 1000;

export function createServer(options: ServerOptions): Server {
  const { libc, loop, uid, requests, log } = options;
  let listener: number | undefined;
  let current: { readonly connection: Connection; greeted: boolean } | undefined;

  /** The client's credentials. If the client has gone already, closes the descriptor and returns undefined. */
  const identify = (fd: number): ReturnType<Libc['getpeereid']> | undefined => {
    try {
      setCloseOnExec(libc, fd);
      setNonblocking(libc, fd);
      return libc.getpeereid(fd);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      libc.close(fd);
      log(`admit supervisor: ${error.code}: ${error.call}`);
      return undefined;
    }
  };

  const admit = (fd: number): void => {
    const peer = identify(fd);
    if (peer === undefined) return;
    const who = `uid ${peer.uid}${peer.pid === undefined ? '' : ` pid ${peer.pid}`}`;
    if (peer.uid !== uid) {
      libc.close(fd);
      log(`admit supervisor: EPERM: ${who} is not uid ${uid}`);
      return;
    }
    // Keep the newest: a hung supervisor must not lock its successor out.
    current?.connection.close(`replaced by ${who}`);
    const connection = new Connection(libc, loop, fd, {
      handle(request) {
        const reply = requests.handle(request, entry.greeted);
        entry.greeted = true;
        return reply;
      },
      ended(reason) {
        if (current === entry) current = undefined;
        if (reason !== undefined) log(`serve supervisor ${who}: EPROTO: ${reason}`);
      },
    });
    const entry = { connection, greeted: false };
    current = entry;
  };

  const listen = (from: number): void =>
    loop.watch(from, POLLIN, () => {
      try {
        for (let i = 0; i < ACCEPTED_A_TURN; i++) {
          const fd = libc.accept(from);
          if (fd === -1) return;
          admit(fd);
        }
      } catch (error) {
        loop.unwatch(from);
        loop.after(ACCEPT_PAUSE_MS, () => listen(from));
        throw error;
      }
    });

  return {
    notify(notice) {
      if (current?.greeted === true) current.connection.notify(notice);
    },
    greetAgain: (reason) => current?.connection.close(reason),
    listen(from) {
      listener = from;
      listen(from);
    },
    close() {
      if (listener !== undefined) {
        loop.unwatch(listener);
        libc.close(listener);
      }
      current?.connection.close();
    },
  };
}
