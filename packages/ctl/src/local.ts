/** The commands that need no supervisor: create a key, check a configuration. */
import { ConfigError } from '@ppp-thing/protocol/config-text';
import { CtlError, EXIT } from './client.ts';
import type { Command, Context, Given } from './command.ts';
import { foreign } from './foreign.ts';

const KEY_OCTETS = 32;

async function makeKey({ words: [id = '1'] }: Given, { print }: Context): Promise<number> {
  if (!/^\d{1,3}$/.test(id) || Number(id) < 1 || Number(id) > 255) {
    throw new CtlError('keygen: the number of a key is 1 to 255', EXIT.usage);
  }
  // Imported on demand: `status` starts faster.
  const { randomBytes } = await import('node:crypto');
  print(`${Number(id)} ${randomBytes(KEY_OCTETS).toString('hex')}`);
  return EXIT.ok;
}

async function check({ words: [file] }: Given, context: Context): Promise<number> {
  const path = file ?? context.config;
  // Imported on demand: most of the program's load time.
  const [{ readConfig }, { readKeys }, { readText, UnreadableError }] = await Promise.all([
    import('@ppp-thing/supervisor/config'),
    import('@ppp-thing/supervisor/keys'),
    import('@ppp-thing/supervisor/errors'),
  ]);
  try {
    const { sessions, partner } = readConfig(path);
    const isKeyed = partner?.protocol === 'ppp-thing';
    if (isKeyed && partner.keyFile !== undefined) readKeys(partner.keyFile, partner.activeKey);
    context.print(`${path}: ok: ${sessions.map(({ engine }) => engine.name).join(', ')}`);
    if (isKeyed && partner.keyFile === undefined) {
      context.print(`${path}: no partner.key_file: the routers will not speak to each other`);
    }
    return EXIT.ok;
  } catch (cause) {
    if (cause instanceof ConfigError) {
      const other = foreign(readText(path));
      if (other === undefined) throw cause;
      const { program, heading } = other;
      const page = `docs/migrating.md#${heading} lists the key for each of its settings`;
      throw new CtlError(`${path}: a configuration file of ${program}: see ${page}`, EXIT.config, {
        cause,
      });
    }
    if (!(cause instanceof UnreadableError)) throw cause;
    const exit = cause.code === 'EACCES' ? EXIT.noPermission : EXIT.config;
    throw new CtlError(cause.message, exit, { cause });
  }
}

export const keygen: Command = {
  takes: '[ID]',
  does: 'print a line for the key file of both routers',
  words: 1,
  run: makeKey,
};

export const checkConfig: Command = {
  takes: '[FILE]',
  does: 'list every error in the configuration',
  words: 1,
  completes: 'file',
  run: check,
};
