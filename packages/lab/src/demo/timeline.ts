/** The live timeline: what happens, one line each, with the seconds since the lab began. It decides nothing. */
import type { Instant } from '@ppp-thing/protocol/time';
import type { Timed } from './bus.ts';
import { unreachable } from '@ppp-thing/protocol/unreachable';

interface TimelineOptions {
  readonly write: (text: string) => void;
  readonly colour: boolean;
  /** Everything, not only what an operator would want to see. */
  readonly verbose: boolean;
  readonly from: Instant;
}

interface TimelineRow {
  readonly who: string;
  readonly text: string;
  readonly tone: keyof typeof TONES;
}

/** SGR parameters. */
const TONES = { plain: '', scene: '1', good: '32', bad: '31', lab: '33', quiet: '2' } as const;

const WHO_WIDTH = 13;

export class Timeline {
  readonly #options: TimelineOptions;

  constructor(options: TimelineOptions) {
    this.#options = options;
  }

  heading(text: string): void {
    this.#options.write(`\n${this.#coloured(text, 'scene')}\n`);
  }

  show(happening: Timed): void {
    const line = lineOf(happening, this.#options.verbose);
    if (line === undefined) return;
    const seconds = ((happening.at - this.#options.from) / 1000).toFixed(3).padStart(8);
    const start = `${seconds}  ${line.who.padEnd(WHO_WIDTH)} `;
    this.#options.write(`${start}${this.#coloured(line.text, line.tone)}\n`);
  }

  #coloured(text: string, tone: keyof typeof TONES): string {
    const code = TONES[tone];
    return this.#options.colour && code !== '' ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

function lineOf(it: Timed, verbose: boolean): TimelineRow | undefined {
  switch (it.kind) {
    case 'lab':
      return { who: 'lab', text: it.text, tone: 'lab' };
    case 'role':
      return { who: `${it.router} carp`, text: `${it.role} (${it.reason})`, tone: 'plain' };
    case 'gate':
      return {
        who: `${it.router} kernel`,
        text: `gate ${it.open ? 'open' : 'closed'}`,
        tone: it.open ? 'good' : 'plain',
      };
    case 'attached':
      return {
        who: `${it.router} kernel`,
        text: `session ${it.sessionId} attached`,
        tone: 'plain',
      };
    case 'demotion':
      return { who: `${it.router} carp`, text: `demoted by ${it.amount}`, tone: 'quiet' };
    case 'moved':
      return {
        who: 'switch',
        text: `the session's MAC moved: ${it.from} -> ${it.to}`,
        tone: 'plain',
      };
    case 'dial':
      return { who: 'ac', text: `PADS: session ${it.sessionId} granted`, tone: 'plain' };
    case 'up':
      return {
        who: 'ac',
        text: `session ${it.sessionId} carries data, ${it.dialMs.toFixed(0)} ms after its PADI`,
        tone: 'good',
      };
    case 'dhcp6':
      return { who: 'ac', text: `DHCPv6 ${it.type}`, tone: 'plain' };
    case 'closed':
      return { who: 'ac', text: `session ${it.sessionId} closed: ${it.reason}`, tone: 'bad' };
    case 'violation':
      return { who: 'witness', text: it.text, tone: 'bad' };
    case 'ac':
      return verbose ? { who: 'ac', text: it.text, tone: 'quiet' } : undefined;
    case 'exit':
      return { who: `${it.router} ${it.process}`, text: `ended: ${it.how}`, tone: 'bad' };
    case 'line':
      return logLine(it.router, it.process, it.text, verbose);
    case 'pong':
    case 'spoke':
    case 'datagram':
      return undefined;
    default:
      return unreachable(it);
  }
}

/** The processes' own lines. An info line has no word for its level; the helper says its name, which is in the margin. */
function logLine(
  router: string,
  process: string,
  text: string,
  verbose: boolean,
): TimelineRow | undefined {
  if (!verbose && /^(debug|trace): /.test(text)) return undefined;
  const shown = text.replace(/^helper: /, '');
  const tone = /^(warn|error): /.test(text) ? 'bad' : 'quiet';
  return { who: `${router} ${process}`, text: shown, tone };
}
