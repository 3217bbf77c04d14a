/** `pppthingctl`: one command, or a shell of them. Only a client of the supervisor's sockets. */
import { createInterface } from 'node:readline';
import { places } from '@ppp-thing/supervisor/places';
import { ConfigError } from '@ppp-thing/protocol/config-text';
import { CtlError, EXIT } from './client.ts';
import { COMMANDS, type Context } from './commands.ts';

const EX_CONFIG = 78;

function usage(): string {
  const lines = Object.entries(COMMANDS).map(
    ([name, { takes, does }]) => `  ${`${name} ${takes}`.padEnd(32)}${does}`,
  );
  return `usage: pppthingctl [--run DIRECTORY] [--config FILE] [COMMAND …]

${lines.join('\n')}

Without a command: a shell that takes them.
Exit: 0 done, 1 refused, 64 usage, 69 no supervisor, 77 no permission, 78 configuration.`;
}

/** Run one command; what goes wrong is printed as one line. Returns the exit code. */
async function runCommand(words: readonly string[], context: Context): Promise<number> {
  const [name = '', ...args] = words;
  const command = COMMANDS[name];
  if (command === undefined) {
    if (name === 'help' || name === '--help' || name === '-h') {
      context.print(usage());
      return EXIT.ok;
    }
    console.error(`pppthingctl: no command ${name}; see pppthingctl --help`);
    return EXIT.usage;
  }
  try {
    return await command.run(args, context);
  } catch (error) {
    if (error instanceof CtlError) {
      console.error(`pppthingctl: ${error.message}`);
      return error.exit;
    }
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    return EX_CONFIG;
  }
}

async function shell(context: Context): Promise<number> {
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    prompt: 'ppp-thing> ',
  });
  await runCommand(['status'], context);
  lines.prompt();
  for await (const line of lines) {
    const words = line.split(/\s+/).filter((word) => word !== '');
    if (words[0] === 'quit' || words[0] === 'exit') break;
    if (words.length > 0) await runCommand(words, context);
    lines.prompt();
  }
  lines.close();
  return EXIT.ok;
}

async function main(argv: readonly string[]): Promise<number> {
  const { run, config } = places();
  const settings = { run: process.env['PPP_THING_RUN'] ?? run, config: String(config) };
  const words = [...argv];
  while (words[0] === '--run' || words[0] === '--config') {
    const [option, value] = words.splice(0, 2);
    if (value === undefined) {
      console.error(`pppthingctl: ${option ?? ''} takes a path`);
      return EXIT.usage;
    }
    settings[option === '--run' ? 'run' : 'config'] = value;
  }
  const context: Context = {
    directory: settings.run,
    config: settings.config,
    print: (text) => console.log(text),
  };
  return words.length === 0 ? shell(context) : runCommand(words, context);
}

process.exitCode = await main(process.argv.slice(2));
