/** `pppthingctl`: runs one command, or a shell. It is only a client of the supervisor's sockets. */
import { parseArgs } from 'node:util';
import { ConfigError } from '@ppp-thing/protocol/config-text';
import { tooOld, VERSION } from '@ppp-thing/protocol/version';
import { places } from '@ppp-thing/supervisor/places';
import { CtlError, EXIT } from './client.ts';
import { COMMANDS } from './commands.ts';
import { read, usage, type Context } from './command.ts';

function help(): string {
  const rows = Object.entries(COMMANDS).map(([name, command]) => [
    usage(name, command),
    command.does,
  ]);
  const width = Math.max(...rows.map(([words = '']) => words.length)) + 2;
  const lines = rows.map(([words = '', does = '']) => `  ${words.padEnd(width)}${does}`);
  return `usage: pppthingctl [--run DIRECTORY] [--config FILE] [COMMAND ...]

${lines.join('\n')}

Without a command: a shell that runs these commands.
  --run DIRECTORY   where status.sock and control.sock are; or PPP_THING_RUN
  --config FILE     default file of check-config
Exit: 0 done, 1 refused, 64 usage, 69 no supervisor, 74 output, 76 another version, 77 no permission, 78 configuration.
`;
}

/** Run one command, and print an error as one line. Returns the exit code. */
async function runCommand(words: readonly string[], context: Context): Promise<number> {
  const [name = '', ...args] = words;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  try {
    if (command !== undefined && !args.includes('--help')) {
      return await command.run(read(name, command, args), context);
    }
    if (name === 'help' || command !== undefined) {
      context.print(
        command === undefined ? help().trimEnd() : `usage: pppthingctl ${usage(name, command)}`,
      );
      return EXIT.ok;
    }
    throw new CtlError(`no command ${name}; see pppthingctl help`, EXIT.usage);
  } catch (error) {
    if (error instanceof CtlError) {
      context.complain(error.message);
      return error.exit;
    }
    if (error instanceof ConfigError) {
      for (const line of error.message.split('\n')) context.complain(line);
      return EXIT.config;
    }
    // ^C in the shell.
    if (context.signal.aborted) return EXIT.ok;
    throw error;
  }
}

async function main(argv: readonly string[]): Promise<number> {
  const refusal = tooOld(process.versions.node);
  if (refusal !== undefined) {
    process.stderr.write(`pppthingctl: ${refusal}\n`);
    return EXIT.unavailable;
  }
  const at = commandAt(argv);
  const { run, config } = places();
  const { values } = parseArgs({
    args: argv.slice(0, at),
    options: {
      run: { type: 'string', default: process.env['PPP_THING_RUN'] ?? run },
      config: { type: 'string', default: config },
      help: { type: 'boolean', short: 'h', default: false },
      version: { type: 'boolean', default: false },
    },
  });
  const isTerminal = process.stdout.isTTY;
  const context: Context = {
    directory: values.run,
    config: values.config,
    signal: new AbortController().signal,
    isTerminal,
    // https://no-color.org
    colours: isTerminal && (process.env['NO_COLOR'] ?? '') === '',
    print: (text) => void process.stdout.write(`${text}\n`),
    control: (sequence) => void process.stdout.write(sequence),
    complain: (text) => void process.stderr.write(`pppthingctl: ${text}\n`),
  };
  const words = argv.slice(at);
  if (values.help) context.print(help().trimEnd());
  else if (values.version) context.print(`pppthingctl ${VERSION}`);
  else if (words.length > 0) return runCommand(words, context);
  else {
    // Imported on demand: a command starts faster.
    const { shell } = await import('./shell.ts');
    return shell(context, runCommand);
  }
  return EXIT.ok;
}

/** Index of the command's name: the options before it apply to every command, those after it to this one. */
function commandAt(argv: readonly string[]): number {
  const takesValue = (word: string | undefined): boolean => word === '--run' || word === '--config';
  const at = argv.findIndex((word, i) => !word.startsWith('-') && !takesValue(argv[i - 1]));
  return at === -1 ? argv.length : at;
}

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', ({ code = 'EIO' }: NodeJS.ErrnoException) => {
    // The reader closed the pipe: `pppthingctl events | head`.
    if (code === 'EPIPE') process.exit(EXIT.ok);
    if (stream === process.stdout) process.stderr.write(`pppthingctl: write output: ${code}\n`);
    process.exit(EXIT.output);
  });
}
process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof TypeError && 'code' in error)) throw error;
  process.stderr.write(`pppthingctl: ${error.message.split('. ')[0]?.toLowerCase() ?? ''}\n`);
  return EXIT.usage;
});
