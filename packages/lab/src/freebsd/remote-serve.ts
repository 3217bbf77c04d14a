/**
 * `node remote-serve.js SOCKET`: lets this system's own `Libc` at a Unix socket, for the tests and helpers of another
 * machine to use this kernel. Whoever may open the socket may do what this process may. It speaks to no network.
 */
import { loadLibc, type Libc } from '@ppp-thing/helper/libc';
import { RemoteDoor, type Guest } from './remote-door.ts';

const EX_USAGE = 64;

/** A process on a kernel that knows only this one: what it opened is kept in mind, and closed when it ends. */
function guestOf(libc: Libc, ended: (descriptors: number) => void): Guest {
  const open = new Set<number>();
  const keep = (fd: number): number => {
    if (fd !== -1) open.add(fd);
    return fd;
  };
  return {
    libc: {
      ...libc,
      open: (...args) => keep(libc.open(...args)),
      socket: (...args) => keep(libc.socket(...args)),
      accept: (fd) => keep(libc.accept(fd)),
      pipe() {
        const [read, write] = libc.pipe();
        return [keep(read), keep(write)];
      },
      close(fd) {
        libc.close(fd);
        open.delete(fd);
      },
    },
    kill() {
      for (const fd of open) libc.close(fd);
      ended(open.size);
    },
  };
}

async function main(): Promise<number> {
  const [, , path] = process.argv;
  if (path === undefined) {
    process.stderr.write('usage: node remote-serve.js SOCKET\n');
    return EX_USAGE;
  }
  const libc = await loadLibc();
  let guests = 0;
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const door = new RemoteDoor({
    admit() {
      const name = `process ${++guests}`;
      say(`${name}: connected`);
      return guestOf(libc, (descriptors) =>
        say(`${name}: ended, ${descriptors} descriptors closed`),
      );
    },
  });
  // Nobody else: it is all that this process may do.
  process.umask(0o077);
  await door.open(path);
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => void door.close());
  say(`let the libc of ${libc.platform} at ${path}`);
  return 0;
}

process.exitCode = await main();
