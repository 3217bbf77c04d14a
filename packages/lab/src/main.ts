/**
 * `make lab`: two routers, one line, one session that moves. Reads the arguments, runs the scenes, shows what happens
 * and says at the end whether it was as promised. What happens in a scene is elsewhere.
 */
import { parseArgs } from 'node:util';
import { Bus, StoppedError, type Timed } from './demo/bus.ts';
import { now } from './demo/clock.ts';
import { Lab } from './demo/lab.ts';
import { findRuntime, RUNTIMES } from './demo/runtime.ts';
import { disconnect, runScenes, withoutIpv4, type SceneResult } from './demo/scenes.ts';
import { formatSummary, summarise } from './demo/summary.ts';
import { Timeline } from './demo/timeline.ts';
import { ROUTERS } from './demo/world.ts';

const EX_USAGE = 64;
/** As a shell says it of SIGINT. */
const INTERRUPTED = 130;

const USAGE = `usage: make lab [ARGS="--json --verbose …"] [RUNTIME=node|bun]

  --json            print only the summary, as JSON
  --runtime R       what runs helper and supervisor: node or bun (also from $RUNTIME)
  --carp-second MS  how long a second of CARP's lasts; 1000 unless given
  --keep            leave the temporary directory
  --stay            keep the pair up after the scenes, and say how to ask it; ^C ends it
  --verbose         everything, the AC's log and the debug lines too
`;

/** The arguments are not ours. */
class UsageError extends Error {
  override readonly name = 'UsageError';
}

function readOptions() {
  const { runtime: named, 'carp-second': second, ...flags } = parseOptions();
  const runtime = RUNTIMES.find((each) => each === named);
  if (runtime === undefined) throw new UsageError(`no runtime '${named}'`);
  const carpSecondMs = Number(second);
  if (!(carpSecondMs >= 100 && carpSecondMs <= 10_000))
    throw new UsageError('--carp-second: expected milliseconds from 100 to 10000');
  return { ...flags, runtime, carpSecondMs };
}

function parseOptions() {
  const flag = { type: 'boolean', default: false } as const;
  try {
    const { values } = parseArgs({
      options: {
        json: flag,
        runtime: { type: 'string', default: process.env['RUNTIME'] ?? 'node' },
        'carp-second': { type: 'string', default: '1000' },
        keep: flag,
        stay: flag,
        verbose: flag,
        help: flag,
      },
    });
    return values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : 'bad arguments', { cause });
  }
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const bus = new Bus(now);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => bus.stop(new StoppedError(`stopped by ${signal}`)));
  const out = options.json ? process.stderr : process.stdout;
  // A reader that goes away, such as head(1), ends the lab as a signal does.
  out.on('error', () => bus.stop(new StoppedError('stopped by EPIPE')));
  const timeline = new Timeline({
    write: (text) => void out.write(text),
    colour: out.isTTY === true && process.env['NO_COLOR'] === undefined,
    verbose: options.verbose,
    from: now(),
  });
  const isShown = !options.json || options.verbose;
  let isOver = false;
  bus.listen((happening) => {
    if (isShown && !isOver) timeline.show(happening);
  });
  const violations: string[] = [];
  bus.listen((it: Timed) => {
    if (it.kind === 'violation') violations.push(it.text);
  });
  const lab = await Lab.open({
    ...options,
    bus,
    runtime: findRuntime(options.runtime),
    delegates: options.runtime === 'node',
  });
  try {
    const scenes: SceneResult[] = [];
    const heading = (title: string): void => (isShown ? timeline.heading(title) : undefined);
    await runScenes(lab, heading, (result) => void scenes.push(result));
    const { witness, ac, lanHost } = lab.world;
    const findings = {
      padt: witness.padts,
      lcpNegotiations: ac.negotiations,
      looped: lanHost.looped,
      gatesOverlapMs: Math.round(witness.overlap(now())),
      violations: [...violations],
    };
    const released = lab.delegates && !options.stay;
    let ipv6Only: string | undefined;
    if (released) {
      heading('pppthingctl disconnect gives the prefix back');
      await disconnect(lab);
      heading('an AC without IPv4: pppthingctl connect');
      ipv6Only = await withoutIpv4(lab);
    }
    isOver = true;
    const summary = summarise(scenes, { ...findings, released, ipv6Only: ipv6Only ?? null });
    const text = options.json ? `${JSON.stringify(summary)}\n` : `\n${formatSummary(summary)}`;
    process.stdout.write(text);
    if (options.stay) await stay(lab, out);
    return summary.ok ? 0 : 1;
  } catch (error) {
    reportFailure(lab, error);
    return error instanceof StoppedError ? INTERRUPTED : 1;
  } finally {
    await lab.close();
    if (options.keep) process.stderr.write(`kept ${lab.directory}\n`);
  }
}

/** Until a signal: the pair is as the scenes left it, for whoever wants to play with it. */
async function stay(lab: Lab, out: NodeJS.WriteStream): Promise<void> {
  const lines = ROUTERS.map((name) => `  ${lab.router(name).operator.command('status')}`);
  const others = 'watch, events -f, web --listen 127.0.0.1:0, doctor';
  out.write(
    `\nThe pair stays up; ^C ends it. Try, from another terminal:\n\n${lines.join('\n')}\n\n`,
  );
  out.write(`and in place of status: ${others};\n`);
  out.write(
    'handoff --wait on the router that holds the session, and connect there to take it back\n',
  );
  await lab.bus.stopping();
}

/** What was waited for, how the world is, and the last words of every process. */
function reportFailure(lab: Lab, error: unknown): void {
  const lines = [error instanceof Error ? error.message : String(error)];
  for (const name of ROUTERS) {
    const { world } = lab;
    const attached = world.machine(name).attached ?? 'none';
    lines.push(
      `${name}: ${world.role(name)}, demoted by ${world.demotion(name)}, session ${attached}, gate ${world.machine(name).isOpen ? 'open' : 'closed'}`,
    );
    for (const [which, process] of Object.entries({
      helper: lab.router(name).helper,
      supervisor: lab.router(name).supervisor,
    })) {
      lines.push(`last lines of the ${which} of ${name}:`);
      lines.push(...process.lastLines.map((line) => `    ${line}`));
    }
  }
  process.stderr.write(`\n${lines.join('\n')}\n`);
}

function report(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n${USAGE}`);
    return EX_USAGE;
  }
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
}

process.exitCode = await main().catch(report);
