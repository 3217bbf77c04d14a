/** What a command is, and how its arguments are parsed. The list of commands is in `commands.ts`. */
import { parseArgs } from 'node:util';
import { CtlError, EXIT, type Sockets } from './client.ts';

export interface Context extends Sockets {
  /** The configuration file, for check-config. */
  readonly config: string;
  /** Standard output is a terminal, so the screen may be redrawn. */
  readonly isTerminal: boolean;
  readonly colours: boolean;
  /** One or more lines to standard output. */
  print(text: string): void;
  /** Octets for the terminal itself. */
  control(sequence: string): void;
  /** A line to standard error. */
  complain(text: string): void;
}

export interface Given {
  readonly flags: ReadonlySet<string>;
  /** The value of each option given that takes one. */
  readonly values: Readonly<Record<string, string | undefined>>;
  readonly words: readonly string[];
}

export interface Command {
  /** Options and arguments after the name, as in pppthingctl(8). */
  readonly takes: string;
  readonly does: string;
  /** Long name to short name, if it has one. None takes a value. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  /** Long names of options that take a value. */
  readonly options?: readonly string[];
  /** Arguments at most; Infinity for any number. */
  readonly words: number;
  /** Kind of the arguments, for completion. */
  readonly completes?: 'session' | 'level' | 'file';
  /** Returns the exit code. Throws CtlError, ConfigError, and AbortError once the signal is given. */
  run(given: Given, context: Context): Promise<number>;
}

/**
 * Parse the arguments after a command's name. Throws CtlError with the usage for any that the command does not accept.
 */
export function read(name: string, command: Command, args: readonly string[]): Given {
  const flags = Object.entries(command.flags ?? {}).map(([long, short]) => [
    long,
    { type: 'boolean' as const, ...(short === undefined ? {} : { short }) },
  ]);
  const valued = (command.options ?? []).map((long) => [long, { type: 'string' as const }]);
  const options = Object.fromEntries([...flags, ...valued]);
  const wrong = (reason: string, cause?: unknown): CtlError =>
    new CtlError(`${reason}\nusage: pppthingctl ${usage(name, command)}`, EXIT.usage, { cause });
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (positionals.length > command.words) {
      throw wrong(`${name}: unexpected argument '${positionals[command.words] ?? ''}'`);
    }
    const given = Object.entries(values);
    return {
      flags: new Set(given.flatMap(([long, value]) => (value === true ? [long] : []))),
      values: Object.fromEntries(
        given.flatMap(([long, value]) => (typeof value === 'string' ? [[long, value]] : [])),
      ),
      words: positionals,
    };
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    // The first sentence of the message names the option; the others address programmers.
    throw wrong(`${name}: ${cause.message.split('. ')[0]?.toLowerCase() ?? ''}`, cause);
  }
}

export const usage = (name: string, { takes }: Command): string => `${name} ${takes}`.trimEnd();
