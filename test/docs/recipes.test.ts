/** docs/recipes.md: each recipe is done as it stands there, against a real supervisor, a real shell and a real nft. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { defaultRoutes } from '@ppp-thing/ctl/doctor/checks-pair';
import { virtualAddress } from '@ppp-thing/ctl/doctor/checks-linux';
import { known, type Facts } from '@ppp-thing/ctl/doctor/facts';
import { gatherConfig } from '@ppp-thing/ctl/doctor/gather-config';
import { parseKeepalived } from '@ppp-thing/ctl/doctor/keepalived';
import { parsePolicy } from '@ppp-thing/helper/policy-file';
import { SHIM } from '../ctl/bench.ts';
import { NO_SNAPSHOT } from '@ppp-thing/protocol/session';
import { bench, holding } from '../supervisor/status-bench.ts';

const text = readFileSync('docs/recipes.md', 'utf8');

/** The first block below a heading whose fence says this. */
function block(heading: string, fence: string): string {
  const section = text.split(/^## /m).find((each) => each.startsWith(heading)) ?? '';
  const [, body] = new RegExp(`^\`\`\`${fence}\\n([^]*?)^\`\`\``, 'm').exec(section) ?? [];
  if (body === undefined) throw new Error(`docs/recipes.md: ${heading}: no block ${fence}`);
  return body;
}

const lacks = (...programs: readonly string[]): string | false => {
  const missing = programs.filter((name) => spawnSync(name, ['--version']).error !== undefined);
  return missing.length > 0 && `there is no ${missing.join(', ')} here`;
};

/** `pppthingctl` for whoever finds it in this directory. */
function install(directory: string): Record<string, string> {
  const path = join(directory, 'pppthingctl');
  writeFileSync(path, `#!/bin/sh\nexec env -u NODE_OPTIONS '${process.execPath}' '${SHIM}' "$@"\n`);
  chmodSync(path, 0o755);
  return { PATH: `${directory}:${process.env['PATH'] ?? ''}`, PPP_THING_RUN: directory };
}

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function run(command: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const [program = '', ...words] = command;
  const child = spawn(program, words, { env });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => (output += String(chunk)));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}

t.test('recipes › a nightly reconnect dials on the holder, and nowhere else', async (t) => {
  const cron = /^[\d*]+(?: [\d*]+){4} root (.*)$/m.exec(block('A nightly', 'cron'))?.[1] ?? '';
  const service = block('A nightly', 'ini .*\\.service');
  const command = /^ExecStart=\/usr\/bin\/(.*)$/m.exec(service)?.[1] ?? '';
  t.match(service, /^SuccessExitStatus=1$/m);
  for (const each of [cron, command]) {
    const holder = await holding(t);
    const done = await run(['sh', '-c', each], install(holder.directory));
    t.equal(done.code, 0, `${each}: ${done.output}`);
    t.equal(holder.supervisor.session('pppoe0')?.status.state, 'Redialling');
    const standby = await bench(t, { role: 'BACKUP', partner: true, stored: NO_SNAPSHOT });
    await standby.until(() => standby.supervisor.session('pppoe0')?.status.state === 'Standby');
    const refused = await run(['sh', '-c', each], install(standby.directory));
    t.equal(refused.code, 1, `${each}: ${refused.output}`);
    t.notOk(standby.script.requests.some(({ verb }) => verb === 'discovery-send'));
  }
});

t.test('recipes › the units are units', { skip: lacks('systemd-analyze') }, async (t) => {
  const names: string[] = [];
  const folder = t.testdir({});
  for (const [, path = '', body = ''] of text.matchAll(/^```ini (\S+)\n([^]*?)^```/gm)) {
    const name = join(folder, path.replace(/.*\//, ''));
    writeFileSync(name, body.replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true'));
    names.push(name);
  }
  t.equal(names.length, 4);
  const { code, output } = await run(['systemd-analyze', 'verify', ...names], { PATH: process.env['PATH'] ?? '' });
  t.equal(code, 0, output);
  t.notMatch(output, folder, 'nothing is said of them');
});

t.test('recipes › dynamic DNS is told each address once', { skip: lacks('curl') }, async (t) => {
  const asked: IncomingMessage[] = [];
  let isWell = false;
  const server = createServer((request, response) => {
    asked.push(request);
    response.statusCode = isWell ? 200 : 403;
    response.end('good\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const folder = t.testdir({ login: 'me:secret' });
  const script = block('Dynamic DNS', 'sh .*')
    .replace('https://dyndns.example', `http://127.0.0.1:${port}`)
    .replace('/etc/ppp_thing.dyndns', join(folder, 'login'))
    .replace('/var/lib/ppp_thing', folder);
  const path = join(folder, 'hook');
  writeFileSync(path, script);
  chmodSync(path, 0o755);
  const hook = (address: string): Promise<Ended> =>
    run([path], { PATH: process.env['PATH'] ?? '', IFNAME: 'pppoe0', IPLOCAL: address });

  t.not((await hook('203.0.113.7')).code, 0, 'a refusal is no success');
  isWell = true;
  t.match(await hook('203.0.113.7'), { code: 0 });
  t.match(await hook('203.0.113.7'), { code: 0 }, 'a takeover changes nothing');
  t.match(await hook('203.0.113.8'), { code: 0 });
  t.strictSame(
    asked.map(({ url }) => url?.replace(/.*myip=/, '')),
    ['203.0.113.7', '203.0.113.7', '203.0.113.8'],
  );
  t.equal(asked[1]?.headers.authorization, `Basic ${Buffer.from('me:secret').toString('base64')}`);
});

const unshared = spawnSync('unshare', ['-n', 'nft', 'list', 'ruleset']);
const withoutNft = lacks('jq') || (unshared.status !== 0 && 'nft needs a network namespace of its own');

t.test('recipes › SNAT follows the address', { skip: withoutNft }, async (t) => {
  const { directory } = await holding(t);
  const env = install(directory);
  const path = join(directory, 'snat');
  writeFileSync(path, block('SNAT', 'sh /.*'));
  const address = JSON.parse((await run(['pppthingctl', 'status', '--json'], env)).output).sessions[0]
    .session.ourAddress;
  const twice = `nft add table ip other; sh ${path} && sh ${path} && nft list ruleset`;
  const { code, output } = await run(['unshare', '-n', 'sh', '-c', twice], env);
  t.equal(code, 0, output);
  const rules = output.match(/snat to \S+/g);
  t.strictSame(rules, [`snat to ${address}`], 'one rule, however often it runs');
  t.match(output, 'table ip other', 'and the tables of others are there');
  const none = await run(['unshare', '-n', 'sh', path], { ...env, PPP_THING_RUN: '/nonexistent' });
  t.match(none, { code: 0 }, 'without a supervisor it changes nothing');
});

/** The files of a router, with what they name in a directory of the test's. */
function written(t: Test, toml: string): { file: string; text: string } {
  const key = `1 ${'0'.repeat(63)}1\n`;
  const folder = t.testdir({ keys: key, password: 'x\n' });
  const local = toml
    .replaceAll(/"\/etc\/ppp_thing\.password[^"]*"/g, JSON.stringify(join(folder, 'password')))
    .replaceAll('/etc/ppp_thing.keys', join(folder, 'keys'));
  const file = join(folder, 'ppp_thing.conf');
  writeFileSync(file, local, { mode: 0o640 });
  return { file, text: local };
}

t.test('recipes › two lines, each with a role and a route of its own', async (t) => {
  const toml = block('Two lines', 'toml r1');
  const { file, text: local } = written(t, toml);
  const { facts: config } = gatherConfig(file);
  t.ok(config.known, JSON.stringify(config));
  const vrrp = parseKeepalived(block('Two lines', 'keepalived r1'));
  const processes = known([{ pid: 1, name: 'keepalived', arguments: '' }]);
  const facts = { platform: 'linux', config, vrrp, processes } as unknown as Facts;
  for (const check of [defaultRoutes, virtualAddress])
    for (const { severity, what } of check(facts)) t.equal(severity, 'ok', what);
  const policy = parsePolicy(local, file, { platform: 'linux', uid: 1 });
  t.strictSame(
    policy.sessions.map(({ name }) => name),
    ['dsl', 'fibre'],
  );
  const swapped = toml.replaceAll(/10\.99\.0\.[23]|7\.3/g, (each) =>
    each === '10.99.0.2' ? '10.99.0.3' : each === '10.99.0.3' ? '10.99.0.2' : '7.2',
  );
  t.ok(gatherConfig(written(t, swapped).file).facts.known, 'the other router');
});

t.test('recipes › keepalived reads its lines', { skip: lacks('keepalived') }, async (t) => {
  const path = join(t.testdir({}), 'keepalived.conf');
  writeFileSync(path, block('Two lines', 'keepalived r1'));
  const { output } = await run(['keepalived', '-t', '-f', path], { PATH: process.env['PATH'] ?? '' });
  // Interfaces of another machine are no fault of the file.
  t.notMatch(output.replaceAll(/.*(?:doesn't exist|no such interface|cannot be found).*/gi, ''), /unknown|error/i, output);
});

t.test('recipes › a static prefix of IPv6', async (t) => {
  const { file, text: local } = written(
    t,
    `${block('Two lines', 'toml r1').split('[session.fibre]')[0]}`.replace(
      'metric = 10',
      block('A statically', 'toml').replace('[session.pppoe0]\n', ''),
    ),
  );
  t.ok(gatherConfig(file).facts.known, JSON.stringify(gatherConfig(file).facts));
  t.ok(parsePolicy(local, file, { platform: 'linux', uid: 1 }));
  const commands = block('A statically', 'sh r1').replace('eth1', 'lo');
  if (unshared.status !== 0) return t.comment('no network namespace here');
  const script = `set -e\nip link set lo up\n${commands}ip -6 addr show dev lo; ip -6 route get 2001:db8:7:2::9 || :`;
  const { output } = await run(['unshare', '-n', 'sh', '-c', script], { PATH: process.env['PATH'] ?? '' });
  t.match(output, '2001:db8:7:1::2/64');
  t.match(output, /unreachable|No route to host|not permitted/i, 'what nobody has is unreachable');
});

t.test('recipes › radvd is told of a former prefix', async (t) => {
  if (unshared.status !== 0) return t.comment('no network namespace here');
  const folder = t.testdir({ script: block('A former', 'sh /.*') });
  const [file, config] = [join(folder, 'script'), join(folder, 'radvd.conf')];
  const env = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` };
  const address = 'ip addr add dev lo valid_lft 2400 preferred_lft';
  const twice = `ip link set lo up
${address} 1200 2001:db8:a000:1::2/64
${address} 0 2001:db8:b000::1:0:2/64
sh ${file} lo ${config}
sh ${file} lo ${config} && echo changed || echo as before`;
  const { code, output } = await run(['unshare', '-n', 'sh', '-euc', twice], env);
  t.match({ code, output }, { code: 0, output: /^as before$/m });
  const written = readFileSync(config, 'utf8');
  t.match(written, 'prefix 2001:db8:a000:1::/64 { AdvPreferredLifetime 2700; AdvValidLifetime 5400; };');
  t.match(written, 'prefix 2001:db8:b000::/64 { AdvPreferredLifetime 0; AdvValidLifetime 5400; };');
  if (lacks('radvd') === false) t.match(await run(['radvd', '-c', '-C', config], env), { code: 0 });
});
