/**
 * Classic BPF programs: for the frames that a descriptor reads and writes, and for those that a netgraph node passes.
 */
import { C, S, SEEN } from './abi.ts';
import { putText, putU16, putU32 } from './octets.ts';

export const DISCOVERY = 0x8863;
export const SESSION = 0x8864;
export const ANNOUNCE = 0x8035;
/** EtherType of an 802.1Q tag. */
export const TAGGED = 0x8100;

const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const LOAD_OCTET = 0x30;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_SET = 0x45;
const RETURN = 0x06;
/** Offsets of an Ethernet header. */
const TO = 0;
const FROM = 6;
const ETHERTYPE = 12;
/** Offset of the tag's value, and the mask of the VLAN in it. A VLAN of 0 is no VLAN: the tag has only a priority. */
const TAG = 14;
const VLAN = 0x0fff;
export const TAG_LENGTH = 4;
/** Of PPP's Protocol field behind a PPPoE header; its highest bit says that it is a control packet's (RFC 1661 §2). */
const PROTOCOL = 20;
const CONTROL = 0x80;
/** "The whole frame", for BPF and netgraph. */
const WHOLE_FRAME = 0xffffffff;
const NODE_FRAME = 0x2000;

/** An instruction, or a label for the next one. Jumps name labels; without one they fall through. */
type ProgramLine =
  | { readonly code: number; readonly k: number; readonly yes?: string; readonly no?: string }
  | { readonly label: string };

/** Instructions as the kernel takes them: u16 code, u8 jump if true, u8 jump if false, u32 operand. */
function assemble(lines: readonly ProgramLine[]): Uint8Array {
  const labels = new Map<string, number>();
  const instructions: Exclude<ProgramLine, { label: string }>[] = [];
  for (const line of lines) {
    if ('label' in line) labels.set(line.label, instructions.length);
    else instructions.push(line);
  }
  const { size, code, jt, jf, k } = S.bpf_insn;
  const octets = new Uint8Array(instructions.length * size);
  instructions.forEach((instruction, i) => {
    const jump = (label: string | undefined): number =>
      label === undefined ? 0 : (labels.get(label) ?? 0) - i - 1;
    putU16(octets, i * size + code, instruction.code);
    octets[i * size + jt] = jump(instruction.yes);
    octets[i * size + jf] = jump(instruction.no);
    putU32(octets, i * size + k, instruction.k);
  });
  return octets;
}

const equal = (k: number, yes: string | undefined, no: string | undefined): ProgramLine => ({
  code: JUMP_IF_EQUAL,
  k,
  ...(yes !== undefined && { yes }),
  ...(no !== undefined && { no }),
});
const half = (k: number): ProgramLine => ({ code: LOAD_HALF, k });
const word = (k: number): ProgramLine => ({ code: LOAD_WORD, k });

/** Compare the MAC address at `at`: on to the next line if it is the same, to `no` otherwise. */
const isMac = (at: number, mac: Uint8Array, no: string): ProgramLine[] => {
  const { buffer, byteOffset } = mac;
  const view = new DataView(buffer, byteOffset);
  return [
    word(at),
    equal(view.getUint32(0), undefined, no),
    half(at + 4),
    equal(view.getUint16(4), undefined, no),
  ];
};

const ends = (length: number): ProgramLine[] => [
  { label: 'pass' },
  { code: RETURN, k: length },
  { label: 'drop' },
  { code: RETURN, k: 0 },
];

const always = { code: JUMP_IF_EQUAL, k: 0, yes: 'pass', no: 'pass' } as const;
const BROADCAST = new Uint8Array(6).fill(0xff);

/**
 * What the session's descriptor reads: discovery frames to `mac` or to everybody that another station sent, control
 * packets of a session to `mac`, which the kernel may not know yet, and announces of the other router, which sends them
 * from the same MAC. Netgraph gets a frame with a priority tag without it, BPF as it was on the line.
 */
export const readProgram = (mac: Uint8Array): Uint8Array =>
  assemble([
    half(ETHERTYPE),
    equal(TAGGED, undefined, 'discovery?'),
    half(TAG),
    { code: JUMP_IF_SET, k: VLAN, yes: 'drop' },
    half(ETHERTYPE + TAG_LENGTH),
    equal(SESSION, undefined, 'discovery?'),
    ...isMac(TO, mac, 'drop'),
    { code: LOAD_OCTET, k: PROTOCOL + TAG_LENGTH },
    { code: JUMP_IF_SET, k: CONTROL, yes: 'pass', no: 'drop' },
    { label: 'discovery?' },
    equal(DISCOVERY, undefined, 'session?'),
    ...isMac(FROM, mac, 'not ours'),
    { ...always, yes: 'drop', no: 'drop' },
    { label: 'not ours' },
    ...isMac(TO, mac, 'everybody?'),
    always,
    { label: 'everybody?' },
    ...isMac(TO, BROADCAST, 'drop'),
    always,
    { label: 'session?' },
    equal(SESSION, undefined, 'announce?'),
    ...isMac(TO, mac, 'drop'),
    { code: LOAD_OCTET, k: PROTOCOL },
    { code: JUMP_IF_SET, k: CONTROL, yes: 'pass', no: 'drop' },
    { label: 'announce?' },
    equal(ANNOUNCE, undefined, 'drop'),
    ...isMac(FROM, mac, 'drop'),
    ...ends(WHOLE_FRAME),
  ]);

/** Frames that the descriptor may write: discovery and announces from `mac`. */
export const writeProgram = (mac: Uint8Array): Uint8Array =>
  assemble([
    half(ETHERTYPE),
    equal(DISCOVERY, 'from us?', undefined),
    equal(ANNOUNCE, undefined, 'drop'),
    { label: 'from us?' },
    ...isMac(FROM, mac, 'drop'),
    ...ends(WHOLE_FRAME),
  ]);

/** Frames that the session's node passes from the line: session frames to `mac`. */
export const lineProgram = (mac: Uint8Array): Uint8Array =>
  assemble([
    half(ETHERTYPE),
    equal(SESSION, undefined, 'drop'),
    ...isMac(TO, mac, 'drop'),
    ...ends(NODE_FRAME),
  ]);

export const everything = (): Uint8Array => assemble([{ code: RETURN, k: NODE_FRAME }]);

/** bpf_program without its pointer to the instructions, which belongs at `S.bpf_program.bf_insns`. */
export function programHeader(instructions: Uint8Array): Uint8Array {
  const octets = new Uint8Array(S.bpf_program.size);
  putU32(octets, S.bpf_program.bf_len, instructions.length / S.bpf_insn.size);
  return octets;
}

/** ng_bpf_hookprog: frames that come in on `hook` and pass go out on `pass`; all others are dropped. */
export function hookProgram(hook: string, pass: string, instructions: Uint8Array): Uint8Array {
  const { thisHook, ifMatch, bpf_prog_len, bpf_prog } = SEEN.ng_bpf_hookprog;
  const octets = new Uint8Array(bpf_prog + instructions.length);
  putText(octets, thisHook, hook);
  putText(octets, ifMatch, pass);
  putU32(octets, bpf_prog_len, instructions.length / S.bpf_insn.size);
  octets.set(instructions, bpf_prog);
  return octets;
}

export const SET_PROGRAM = { cookie: C.NGM_BPF_COOKIE, command: C.NGM_BPF_SET_PROGRAM };
export const GET_PROGRAM = { cookie: C.NGM_BPF_COOKIE, command: C.NGM_BPF_GET_PROGRAM };
