/**
 * The BPF machine, as far as our programs go: loads from the packet, jumps on equality and on bits, return. A program with anything else
 * is refused, as the kernel refuses an invalid one.
 */
import { at, fail } from './abi.ts';
import { be16, be32, u16, u32 } from './octets.ts';

interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

const KNOWN = new Set([0x20, 0x28, 0x30, 0x15, 0x45, 0x06]);
const isJump = (code: number): boolean => code === 0x15 || code === 0x45;

/** A filter: how many octets of the frame pass, 0 for none. Throws EINVAL for a program that could run off its end. */
export function compile(octets: Uint8Array, count: number): (frame: Uint8Array) => number {
  const size = at('bpf_insn', 'size');
  if (count < 1 || octets.length < count * size) fail('EINVAL');
  const program: Instruction[] = Array.from({ length: count }, (_, i) => ({
    code: u16(octets, i * size + at('bpf_insn', 'code')),
    jt: octets[i * size + at('bpf_insn', 'jt')] ?? 0,
    jf: octets[i * size + at('bpf_insn', 'jf')] ?? 0,
    k: u32(octets, i * size + at('bpf_insn', 'k')),
  }));
  program.forEach(({ code, jt, jf }, i) => {
    if (!KNOWN.has(code)) fail('EINVAL');
    if (isJump(code) && i + 1 + Math.max(jt, jf) >= count) fail('EINVAL');
  });
  if (program.at(-1)?.code !== 0x06) fail('EINVAL');
  return (frame) => run(program, frame);
}

/** Octets that a load takes. */
const WIDTHS = new Map([
  [0x20, 4],
  [0x28, 2],
  [0x30, 1],
]);

function run(program: readonly Instruction[], frame: Uint8Array): number {
  let accumulator = 0;
  for (let pc = 0; ; pc++) {
    const instruction = program[pc];
    if (instruction === undefined) return 0;
    const { code, jt, jf, k } = instruction;
    if (code === 0x06) return k;
    if (isJump(code)) {
      const isTaken = code === 0x15 ? accumulator === k : (accumulator & k) !== 0;
      pc += isTaken ? jt : jf;
      continue;
    }
    const width = WIDTHS.get(code) ?? 0;
    if (k + width > frame.length) return 0;
    accumulator = width === 4 ? be32(frame, k) : width === 2 ? be16(frame, k) : (frame[k] ?? 0);
  }
}
