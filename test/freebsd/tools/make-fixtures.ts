/**
 * Makes the two fixtures of the FreeBSD tests from what was recorded on a kernel: the constants and layouts that the
 * backend and the fake kernel use, and the netgraph conversations. Run it again only with new recordings:
 *
 *   node test/dist/freebsd/tools/make-fixtures.js ABI-13.json ABI-15.json TRANSCRIPT.jsonl
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { C, S } from '@ppp-thing/helper/freebsd/abi';
import { FAKE_CONSTANTS, FAKE_STRUCTS } from './wanted.ts';

interface Recorded {
  readonly constants: Readonly<Record<string, number>>;
  readonly structs: Readonly<
    Record<
      string,
      { readonly size: number; readonly fields: readonly { name: string; offset: number }[] }
    >
  >;
}

interface Call {
  readonly part: string;
  readonly op: string;
  readonly who?: string;
  readonly fd?: string;
  readonly addr?: string;
  readonly path?: string;
  readonly cmd?: string;
  readonly ioctl?: string;
  readonly request?: string;
  readonly reply?: string;
  readonly insns?: string;
  readonly pointed?: string;
  readonly errno?: number;
}

const [, , abi13 = '', abi15 = '', transcript = ''] = process.argv;
const read = (path: string): Recorded => JSON.parse(readFileSync(path, 'utf8')) as Recorded;

function trim({ constants, structs }: Recorded): unknown {
  const names = [...Object.keys(C), ...FAKE_CONSTANTS];
  const wanted = new Set([
    ...names,
    ...Object.keys(constants).filter((name) => /^E[A-Z0-9]+$/.test(name)),
  ]);
  return {
    constants: Object.fromEntries(
      [...wanted].sort().map((name) => [name, constants[name] ?? missing(name)]),
    ),
    structs: Object.fromEntries(
      [...new Set([...Object.keys(S), ...FAKE_STRUCTS])].sort().map((name) => {
        const struct = structs[name] ?? missing(name);
        const fields = Object.fromEntries(struct.fields.map(({ name, offset }) => [name, offset]));
        return [name, { size: struct.size, ...fields }];
      }),
    ),
  };
}

function missing(name: string): never {
  throw new Error(`${name} is not in the recording`);
}

/** Hexadecimal with `~N~` for N zero octets, N ≥ 6. */
const short = (hex: string): string =>
  (hex.match(/../g) ?? [])
    .join(' ')
    .replace(/(?:00 ?){6,}/g, (zeros) => `~${zeros.split('00').length - 1}~`)
    .replaceAll(' ', '');

function reduce(line: string): string | undefined {
  const call = JSON.parse(line) as Call;
  if (call.op === undefined || call.op === 'mark') return undefined;
  const { part, op, who, fd, addr, path, cmd, ioctl, request, reply, insns, pointed, errno } = call;
  const from = op === 'recvfrom' ? path : undefined;
  const name = fd === 'inet' || fd === 'bpf' ? cmd : undefined;
  const number = ioctl === undefined ? undefined : Number(ioctl);
  const octets = { out: request, in: reply, insns, pointed };
  const shortened = Object.fromEntries(
    Object.entries(octets).flatMap(([key, hex]) => (hex ? [[key, short(hex)]] : [])),
  );
  return JSON.stringify({
    part,
    who,
    op,
    fd,
    addr,
    from,
    cmd: name,
    ioctl: number,
    ...shortened,
    ...(errno ? { errno } : {}),
  });
}

writeFileSync(
  'test/fixtures/freebsd-abi.json',
  `${JSON.stringify({ '13.2': trim(read(abi13)), '15': trim(read(abi15)) }, null, 1)}\n`,
);
writeFileSync(
  'test/fixtures/netgraph-transcript.jsonl',
  readFileSync(transcript, 'utf8')
    .split('\n')
    .flatMap((line) => (line === '' ? [] : (reduce(line) ?? [])))
    .map((line) => `${line}\n`)
    .join(''),
);
