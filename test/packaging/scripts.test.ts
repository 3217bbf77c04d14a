/**
 * Debian's maintainer scripts: when they start or restart the services, and what a kill at any of their commands leaves.
 * They install nothing: what they call is a stub, and that of the service manager knows whether the services run.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ROOT } from './make.ts';

const STUBS = [
  'systemd-sysusers',
  'systemd-tmpfiles',
  'deb-systemd-helper',
  'deb-systemd-invoke',
  'systemctl',
  'ppp_thing_helper',
];
/** They do what they always do, after they have been counted. */
const COUNTED = ['rm', 'install', 'grep'];
const VERSION = '0.1.0';

/** A name that a function of sh can have. */
const inSh = (name: string): string => name.replaceAll('-', '_');

class System {
  readonly #test: Test;
  readonly #folder: string;
  readonly #scripts = new Map<string, string>();

  constructor(t: Test) {
    this.#test = t;
    this.#folder = t.testdir({ systemd: {}, lib: {} });
    for (const script of ['postinst', 'prerm', 'postrm']) {
      let text = readFileSync(join(ROOT, 'packaging/debian', script), 'utf8')
        .replaceAll('/run/systemd/system', this.#at('systemd'))
        .replaceAll(/\/(?:var\/lib|run|etc)\/(?=ppp_thing)/g, `${this.#at('lib')}/`);
      for (const name of STUBS) text = text.replaceAll(new RegExp(`${name}(?= )`, 'g'), inSh(name));
      this.#scripts.set(script, `${this.#stubs()}\n${text}`);
    }
    this.reset(false);
  }

  #at(...names: readonly string[]): string {
    return join(this.#folder, ...names);
  }

  /** Functions of the shell: a process for each would cost a hundred times as much. */
  #stubs(): string {
    const running = this.#at('running');
    const acts: Readonly<Record<string, string>> = {
      'deb-systemd-invoke': `case $1 in start) : >'${running}' ;; stop) command rm -f '${running}' ;; esac`,
    };
    const stubs = [...STUBS, ...COUNTED].map((name) => {
      const act = acts[name] ?? (COUNTED.includes(name) ? `command ${name} "$@"` : ':');
      return `${inSh(name)}() { count "${name} $*"; ${act}; }`;
    });
    return `calls=0
count() {
  echo "$1" >>'${this.#at('calls')}'
  calls=$((calls + 1))
  [ "$calls" -ne "$KILL_AT" ] || kill -9 $$
}
${stubs.join('\n')}`;
  }

  /** With the configuration and the records of a helper that has run. */
  reset(isRunning: boolean): void {
    rmSync(this.#at('lib'), { recursive: true });
    mkdirSync(this.#at('lib', 'ppp_thing_helper'), { recursive: true });
    writeFileSync(this.#at('lib', 'ppp_thing.conf'), '[session.pppoe0]\n');
    rmSync(this.#at('running'), { force: true });
    if (isRunning) writeFileSync(this.#at('running'), '');
  }

  get isRunning(): boolean {
    return existsSync(this.#at('running'));
  }

  get isClean(): boolean {
    return !existsSync(this.#at('lib', 'ppp_thing_helper'));
  }

  /** Runs a script; with `killAt` it is killed at that command. Whether it came to its end. */
  run(words: readonly string[], killAt = 0): boolean {
    const [script = '', ...rest] = words;
    writeFileSync(this.#at('calls'), '');
    const env = { PATH: process.env['PATH'] ?? '', KILL_AT: String(killAt) };
    const { status, signal, stderr } = spawnSync(
      'sh',
      ['-c', this.#scripts.get(script) ?? '', script, ...rest],
      { env, encoding: 'utf8' },
    );
    if (signal === null && status !== 0)
      this.#test.fail(`${words.join(' ')}: ${status}: ${stderr}`);
    return signal === null;
  }

  /** What the last script did to the services. */
  get done(): string {
    const calls = readFileSync(this.#at('calls'), 'utf8');
    return /^deb-systemd-invoke (\S+)/m.exec(calls)?.[1] ?? 'nothing';
  }
}

t.test('Debian › a service is started, restarted or left alone', async (t) => {
  const system = new System(t);
  const done = (...words: readonly string[]): string => {
    system.run(words);
    return system.done;
  };
  t.equal(done('postinst', 'configure', ''), 'start', 'a first installation');
  t.equal(done('postinst', 'configure', VERSION), 'try-restart', 'an upgrade');
  t.equal(done('postinst', 'abort-upgrade', VERSION), 'nothing', 'an upgrade that failed');
  t.equal(done('postinst', 'abort-remove'), 'start', 'a removal that did not come to pass');
  done('prerm', 'remove');
  done('postrm', 'remove');
  t.equal(done('postinst', 'configure', VERSION), 'start', 'it comes back after a removal');
  t.equal(done('postinst', 'configure', VERSION), 'try-restart', 'and is upgraded then');
  done('prerm', 'remove');
  done('postrm', 'remove');
  done('postrm', 'purge');
  t.ok(system.isClean, 'a purge leaves nothing');
});

t.test('Debian › a script that is killed at any command is made good by the next', async (t) => {
  const system = new System(t);
  /** `killed` at each of its commands in turn, then `next`; the services must run, or not, as `runs` says. */
  const tries = (
    what: string,
    before: readonly (readonly string[])[],
    killed: readonly string[],
    next: readonly string[],
    holds: () => boolean,
  ): void => {
    for (let at = 1; ; at++) {
      system.reset(before.length === 0);
      for (const words of before) system.run(words);
      const isOver = system.run(killed, at);
      if (isOver) return void t.ok(at > 2, `${what}: ${at - 1} kills`);
      system.run(next);
      t.ok(holds(), `${what}, killed at command ${at}`);
    }
  };
  const install = ['postinst', 'configure', ''];
  const configure = ['postinst', 'configure', VERSION];
  const remove = ['prerm', 'remove'];
  const runs = (): boolean => system.isRunning;
  tries('a first installation', [['postrm', 'purge']], install, install, runs);
  tries('an upgrade', [install], configure, configure, runs);
  const removed = [install, remove, ['postrm', 'remove']];
  tries('it comes back after a removal', removed, configure, configure, runs);
  // dpkg died, and nobody goes on with the removal.
  tries('a removal that did not come to pass', [install], remove, configure, runs);
  const purge = ['postrm', 'purge'];
  tries('a purge', removed, purge, purge, () => system.isClean);
});
