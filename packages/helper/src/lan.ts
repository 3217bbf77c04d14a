/**
 * The LANs' part of a delegated prefix: gives the policy's interfaces their addresses, and touches no others. The
 * supervisor names prefixes. The policy, a file of root's, assigns a subnet to each interface.
 *
 * Theory of operation. The helper records each address before it sets it. So a later helper can remove the addresses of
 * an earlier one, and never removes an administrator's. An address stays while the supervisor names its prefix, with the
 * lifetimes named last; the kernel counts them down even if both processes are dead. An unreachable route covers the
 * whole prefix but for the subnets in use, so that no packet loops between us and the ISP (RFC 7084 WPD-5).
 */
import { sameOctets, toHex } from '@ppp-thing/protocol/bytes';
import { join } from 'node:path';
import type { RequestBody } from '@ppp-thing/protocol/ipc/messages';
import { formatIpv6, networkOf } from '@ppp-thing/protocol/wire/ipv6';
import type { Address6, Aggregate, Backend } from './backend.ts';
import type { RecordPlaces } from './demotion.ts';
import { BackendError } from './errors.ts';
import { DISK, forget, type Disk } from './files.ts';
import { SystemError } from './libc.ts';
import type { SessionPolicy } from './policy.ts';

type Request = Omit<RequestBody<'delegate'>, 'session'>;
type Prefix = Request['prefixes'][number];

interface Wanted {
  readonly addresses: readonly Address6[];
  readonly aggregates: readonly Aggregate[];
  /** Why a LAN gets nothing of a prefix, a line each. */
  readonly problems: readonly string[];
}

const RECORD = 'lan.json';
const LAN_BITS = 64;

/** The addresses and routes that a policy derives from prefixes. Pure. */
export function wanted(policy: SessionPolicy, request: Request): Wanted {
  const problems: string[] = [];
  const onLans = request.prefixes.flatMap((prefix) =>
    (policy.lans ?? []).flatMap((lan): Address6[] => {
      const subnet = subnetOf(prefix, lan.subnet);
      if (typeof subnet === 'string') {
        problems.push(`lan ${lan.interface}: ${subnet}`);
        return [];
      }
      subnet.set(lan.host, 8);
      const { preferred, valid } = prefix;
      return [{ interface: lan.interface, address: subnet, bits: LAN_BITS, preferred, valid }];
    }),
  );
  const onSession = request.addresses.map((each) => ({
    ...each,
    interface: policy.name,
    bits: 128,
  }));
  return {
    addresses: [...onLans, ...onSession],
    // A /64 needs no unreachable route: it is one LAN's own.
    aggregates: request.prefixes.filter(({ length }) => length < LAN_BITS),
    problems,
  };
}

/** The /64 of this number, or why there is none. */
function subnetOf({ prefix, length, exclude }: Prefix, number: number): Uint8Array | string {
  const name = `${formatIpv6(networkOf(prefix, length))}/${length}`;
  if (length > LAN_BITS) return `${name} is longer than /64`;
  const spare = LAN_BITS - length;
  if (number >= 2 ** spare) return `${name} has no subnet ${number}`;
  const subnet = networkOf(prefix, length);
  subnet[6] = (subnet[6] ?? 0) | (number >> 8);
  subnet[7] = (subnet[7] ?? 0) | (number & 0xff);
  const isExcluded =
    exclude !== null &&
    sameOctets(
      networkOf(subnet, Math.min(LAN_BITS, exclude.length)),
      networkOf(exclude.prefix, Math.min(LAN_BITS, exclude.length)),
    );
  return isExcluded ? `subnet ${number} of ${name} is the ISP's own (RFC 6603)` : subnet;
}

export interface Lans {
  /**
   * Set one session's prefixes. Throws BackendError for what the kernel refused, after everything else is done.
   */
  set(policy: SessionPolicy, request: Request): void;
  /** Remove every recorded address and route, for an administrator's stop. */
  remove(): void;
}

type Verbs = Pick<Backend, 'setAddress6' | 'removeAddress6' | 'setUnreachable6'>;

/** The addresses and routes in a record, in hexadecimal. */
interface Entry {
  readonly session: string;
  readonly addresses: readonly { interface: string; address: string; bits: number }[];
  readonly aggregates: readonly { prefix: string; length: number; fib: number }[];
}

/**
 * @param log  one line for each LAN that gets nothing of a prefix, when that changes, and when the record cannot be kept
 * @param disk this machine's unless given
 */
export function openLans(
  places: RecordPlaces,
  backend: Verbs,
  log: (line: string) => void,
  disk: Disk = DISK,
): Lans {
  const path = join(places.run, RECORD);
  const entries = new Map(read(disk, path).map((entry) => [entry.session, entry]));
  let told = '';

  const write = (): void => {
    try {
      disk.makeDirectory(places.run, 0o755);
      disk.replace(path, `${JSON.stringify([...entries.values()])}\n`, 0o600);
    } catch (error) {
      // Set the addresses even without a record: the kernel's lifetimes end them if no later helper can remove them.
      log(`record ${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };

  // The record of a previous release, once.
  const before = join(places.state, RECORD);
  const inherited = read(disk, before).filter(({ session }) => !entries.has(session));
  if (inherited.length > 0) {
    for (const entry of inherited) entries.set(entry.session, entry);
    write();
    forget(disk, before, log);
  }

  const remember = (entry: Entry): void => {
    const { session } = entry;
    const before = entries.get(session) ?? { session, addresses: [], aggregates: [] };
    if (isSame(before, entry)) return;
    if (entry.addresses.length + entry.aggregates.length === 0) entries.delete(entry.session);
    else entries.set(entry.session, entry);
    write();
  };

  const set = (session: string, fib: number, next: Wanted): void => {
    const before = entries.get(session) ?? { session, addresses: [], aggregates: [] };
    const after = entryOf(session, fib, next);
    remember({
      session,
      addresses: union(before.addresses, after.addresses),
      aggregates: union(before.aggregates, after.aggregates),
    });
    const refused: BackendError[] = [];
    const goOn = (run: () => void): void => {
      try {
        run();
      } catch (error) {
        if (!(error instanceof BackendError || error instanceof SystemError)) throw error;
        refused.push(
          error instanceof BackendError
            ? error
            : new BackendError('delegate', session, error.code, error.message, { cause: error }),
        );
      }
    };
    for (const each of without(before.addresses, after.addresses))
      goOn(() => backend.removeAddress6(each.interface, octetsOf(each.address), each.bits));
    for (const each of without(before.aggregates, after.aggregates))
      goOn(() =>
        backend.setUnreachable6({ ...each, prefix: octetsOf(each.prefix) }, each.fib, false),
      );
    for (const each of next.aggregates) goOn(() => backend.setUnreachable6(each, fib, true));
    for (const each of next.addresses) goOn(() => backend.setAddress6(each));
    const [first] = refused;
    // Keep on record what may still be set.
    if (first === undefined) remember(after);
    else throw first;
  };

  return {
    set(policy, request) {
      const next = wanted(policy, request);
      const problems = next.problems.map((problem) => `delegate ${policy.name}: ${problem}`);
      if (problems.join('\n') !== told) for (const problem of problems) log(problem);
      told = problems.join('\n');
      set(policy.name, policy.fib, next);
    },
    remove() {
      for (const session of entries.keys())
        set(session, 0, { addresses: [], aggregates: [], problems: [] });
    },
  };
}

/** None for a file that is missing, damaged, or cannot be read. */
function read(disk: Disk, path: string): Entry[] {
  try {
    const value: unknown = JSON.parse(disk.read(path) ?? '[]');
    return isEntries(value) ? value : [];
  } catch {
    return [];
  }
}

const octetsOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));

const entryOf = (session: string, fib: number, { addresses, aggregates }: Wanted): Entry => ({
  session,
  addresses: addresses.map(({ interface: name, address, bits }) => ({
    interface: name,
    address: toHex(address),
    bits,
  })),
  aggregates: aggregates.map(({ prefix, length }) => ({ prefix: toHex(prefix), length, fib })),
});

const isSame = (a: object, b: object): boolean => JSON.stringify(a) === JSON.stringify(b);
const without = <T extends object>(all: readonly T[], some: readonly T[]): T[] =>
  all.filter((each) => !some.some((other) => isSame(each, other)));
const union = <T extends object>(a: readonly T[], b: readonly T[]): T[] => [...a, ...without(b, a)];

const isEntries = (value: unknown): value is Entry[] =>
  Array.isArray(value) && value.every(isEntry);

const has = <K extends string>(value: unknown, key: K): value is Record<K, unknown> =>
  typeof value === 'object' && value !== null && key in value;
const isHex = (value: unknown): boolean =>
  typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
const isBits = (value: unknown): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff;

const isEntry = (value: unknown): value is Entry =>
  has(value, 'session') &&
  typeof value.session === 'string' &&
  has(value, 'addresses') &&
  Array.isArray(value.addresses) &&
  value.addresses.every(
    (each) =>
      has(each, 'interface') &&
      typeof each.interface === 'string' &&
      has(each, 'address') &&
      isHex(each.address) &&
      has(each, 'bits') &&
      isBits(each.bits),
  ) &&
  has(value, 'aggregates') &&
  Array.isArray(value.aggregates) &&
  value.aggregates.every(
    (each) =>
      has(each, 'prefix') &&
      isHex(each.prefix) &&
      has(each, 'length') &&
      isBits(each.length) &&
      has(each, 'fib') &&
      isBits(each.fib),
  );
