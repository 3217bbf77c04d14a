/**
 * The supervisor's interface to the machine, except files and datagrams: time, randomness, and a stream to its helper.
 * `thisSystem` is the real one; a simulator passes its own. It decides nothing.
 */
import { connect, type Socket } from 'node:net';
import { SessionEngine } from '@ppp-thing/protocol/engine/engine';
import type { Random } from '@ppp-thing/protocol/engine/hashes';
import type { Instant } from '@ppp-thing/protocol/time';
import * as clock from './clock.ts';

/** The part of a `net.Socket` that the helper's client uses. */
export interface Stream {
  on(event: 'connect' | 'close', listener: () => void): unknown;
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  write(octets: Uint8Array): unknown;
  destroy(): unknown;
}

export interface System {
  /** Monotonic. */
  now(): Instant;
  /** Milliseconds since 1970-01-01 UTC. For people; no decision depends on it. */
  wallClock(): number;
  /** Call `wake` at `at` or a little later. Returns a function that cancels it. */
  wakeAt(at: Instant, wake: () => void): () => void;
  /** Call `run` after the data already received on the sockets has been read. */
  soon(run: () => void): void;
  readonly random: Random;
  /** A stream to the Unix socket at `path`; it is still connecting. */
  connect(path: string): Stream;
  /** The engine of one session. */
  makeEngine(...made: ConstructorParameters<typeof SessionEngine>): SessionEngine;
}

/** All that one event writes is one message to the kernel, and one wake-up of the helper. */
function writingTogether(socket: Socket): Stream {
  const write = socket.write.bind(socket);
  socket.write = (octets: Uint8Array) => {
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    return write(octets);
  };
  return socket;
}

export const thisSystem: System = {
  now: clock.now,
  wallClock: clock.wallClock,
  wakeAt: clock.wakeAt,
  soon: (run) => void setImmediate(run),
  random: clock.random,
  connect: (path) => writingTogether(connect(path)),
  makeEngine: (...made) => new SessionEngine(...made),
};
