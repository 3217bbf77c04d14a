/** `pppthingctl web` as a server: who it answers, what it refuses, how it bounds, and where it listens. */
import { request, type IncomingHttpHeaders } from 'node:http';
import { connect, createServer } from 'node:net';
import t, { type Test } from 'tap';
import { isLoopback, isOurs, addressOf, urlOf } from '@ppp-thing/ctl/listen';
import { bench, holding } from '../supervisor/status-bench.ts';
import { Ctl, ctl } from './bench.ts';

interface Answer {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Asking {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function ask(
  url: string,
  { method = 'GET', path = '/', host, headers = {} }: Asking = {},
): Promise<Answer> {
  const { port, hostname } = new URL(url);
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host: hostname,
        port,
        method,
        path,
        agent: false,
        headers: { ...headers, ...(host === undefined ? {} : { host }) },
      },
      (response) => {
        let body = '';
        response.on('data', (chunk) => (body += String(chunk)));
        response.on('end', () => {
          const { statusCode: code = 0 } = response;
          resolve({ code, headers: response.headers, body });
        });
      },
    );
    asked.on('error', reject);
    asked.end(method === 'POST' ? 'debug' : undefined);
  });
}

async function serve(
  t: Test,
  directory: string,
  listen = '127.0.0.1:0',
): Promise<{ url: string; server: Ctl }> {
  const server = new Ctl(directory, ['web', '--listen', listen]);
  t.teardown(async () => {
    server.child.kill();
    await server.exit;
  });
  await server.printed('out', /http:\S+/);
  return { server, url: /http:\S+/.exec(server.out)?.[0] ?? `it said ${server.err}` };
}

t.test('web › the page, its files and its data, and nothing else', async (t) => {
  const { directory } = await holding(t, { partner: true });
  const { url, server } = await serve(t, directory);
  const page = await ask(url);
  t.match(page, { code: 200, headers: { 'content-type': 'text/html; charset=utf-8' } });
  const files = Array.from(page.body.matchAll(/(?:href|src)="([^"]+)"/g), ([, path]) => path ?? '');
  t.same(files, ['/icon.svg', '/style.css', '/page/main.js']);
  for (const path of files) t.match(await ask(url, { path }), { code: 200 }, path);
  t.match(JSON.parse((await ask(url, { path: '/data' })).body), {
    error: null,
    status: { routerId: 1, partner: { routerId: 2 }, sessions: [{ holder: 'this router' }] },
    history: { session: 'pppoe0' },
  });
  for (const path of [
    '/v1/status',
    '/page/../web.js',
    '/web.js',
    '/page/tsconfig.json',
    '//',
    '/%00',
  ]) {
    t.match(await ask(url, { path }), { code: 404 }, path);
  }
  t.equal(server.err, '', 'loopback needs no warning');
});

t.test(
  'web › /metrics is the supervisor’s own, for a Prometheus that takes no Unix socket',
  async (t) => {
    const { directory } = await holding(t);
    const { url } = await serve(t, directory);
    const { code, body } = await ask(url, { path: '/metrics' });
    t.equal(code, 200);
    t.match(body, /^ppp_thing_holder\{session="pppoe0"\} 1$/m);
  },
);

t.test('web › nothing of others may run in it, and nothing of it elsewhere', async (t) => {
  const { directory } = await bench(t, { helper: false });
  const { url } = await serve(t, directory);
  for (const path of ['/', '/data', '/page/main.js', '/nothing']) {
    const { headers } = await ask(url, { path });
    const policy = headers['content-security-policy'] ?? '';
    t.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/, path);
    t.notMatch(policy, /unsafe|\*|data:|http/);
    t.match(headers, {
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    });
    t.equal(headers['access-control-allow-origin'], undefined);
  }
  const { body } = await ask(url);
  t.notMatch(
    body,
    /<script(?![^>]*\ssrc=)|\son\w+=|style="|https?:/,
    'nothing inline, nothing external',
  );
});

t.test('web › a name in Host is refused: it could be anybody’s', async (t) => {
  const { directory } = await bench(t, { helper: false });
  const { url } = await serve(t, directory);
  for (const host of ['evil.example', 'evil.example:8808', 'localhost.evil.example']) {
    const answer = await ask(url, { host, path: '/data' });
    t.match(answer, { code: 421, body: /by an address or as localhost/ }, host);
  }
  for (const host of ['localhost:9', '127.0.0.1', '[::1]:8808', '192.0.2.7:8808']) {
    t.match(await ask(url, { host }), { code: 200 }, host);
  }
});

t.test('web › what another page asks for is refused, whatever it is', async (t) => {
  const { directory } = await bench(t, { helper: false });
  const { url } = await serve(t, directory);
  const { host } = new URL(url);
  for (const path of ['/', '/data', '/metrics', '/changes', '/style.css', '/nothing']) {
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'odd' },
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: 'http://127.0.0.1:1' },
    ] as const) {
      const answer = await ask(url, { path, headers });
      t.match(answer, { code: 403, body: /another page/ }, `${path} ${JSON.stringify(headers)}`);
    }
  }
  for (const headers of [
    { 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
    { origin: `http://${host}` },
  ] as const)
    t.match(await ask(url, { headers }), { code: 200 }, JSON.stringify(headers));
});

t.test('web › what would act is refused, and never reaches the supervisor', async (t) => {
  const { directory, supervisor, log } = await holding(t);
  const { url } = await serve(t, directory);
  for (const path of ['/', '/v1/log', '/v1/sessions/pppoe0/disconnect', '/data']) {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      t.match(await ask(url, { method, path }), { code: 405, headers: { allow: 'GET, HEAD' } });
    }
  }
  // As a query that would leave its place in the path it becomes.
  const path = '/data?session=..%2F..%2Flog&after=0%26x';
  t.match(JSON.parse((await ask(url, { path })).body), { history: { session: 'pppoe0' } });
  t.equal(log.level, 'info');
  t.equal(supervisor.session('pppoe0')?.status.state, 'Holding');
});

t.test('web › a supervisor that is away is said, not failed on', async (t) => {
  const { directory } = await bench(t, { helper: false });
  const { url } = await serve(t, `${directory}/db`);
  const { code, body } = await ask(url, { path: '/data' });
  t.equal(code, 200);
  t.match(JSON.parse(body), {
    status: null,
    history: null,
    error: /connect .*status\.sock: ENOENT: is the supervisor running\?/,
  });
});

t.test('web › more connections than it takes are closed, and the others are served', async (t) => {
  const { directory } = await bench(t, { helper: false });
  const { url } = await serve(t, directory);
  const port = Number(new URL(url).port);
  const idle = Array.from({ length: 80 }, () => connect(port, '127.0.0.1'));
  t.teardown(() => idle.forEach((socket) => socket.destroy()));
  const closed = idle.map(
    (socket) =>
      new Promise<void>((resolve) => {
        socket.on('error', () => undefined);
        socket.on('close', () => resolve());
      }),
  );
  await Promise.any(closed);
  idle.forEach((socket) => socket.destroy());
  await Promise.all(closed);
  let answered = 0;
  while (answered === 0)
    answered = await ask(url).then(
      ({ code }) => code,
      () => 0,
    );
  t.equal(answered, 200);
});

t.test('web › more pages than it tells are refused', async (t) => {
  const { directory } = await holding(t);
  const { url } = await serve(t, directory);
  const open = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = request(`${url}changes`, { agent: false }, ({ statusCode = 0 }) =>
        resolve(statusCode),
      );
      asked.on('error', reject);
      asked.end();
      t.teardown(() => asked.on('error', () => undefined).destroy());
    });
  const codes: number[] = [];
  for (let i = 0; i < 26; i += 1) codes.push(await open());
  t.same(codes, [...Array<number>(24).fill(200), 503, 503]);
});

t.test('web --listen › what is wrong with it is named', async (t) => {
  for (const [text, reason] of [
    ['8808', "address '8808': expected an IP address or localhost; did you mean 127.0.0.1:8808?"],
    ['127.0.0.1', 'no port, as in 127.0.0.1:8808'],
    [':8808', 'no address; 0.0.0.0 and [::] are every address of this router'],
    ['', 'no address'],
    ['router.example:8808', "address 'router.example': expected an IP address or localhost"],
    ['127.0.0.300:8808', "address '127.0.0.300'"],
    ['127.0.0.1:http', "port 'http': expected 0 to 65535"],
    ['127.0.0.1:65536', "port '65536'"],
    ['127.0.0.1:', "port ''"],
    ['::1', 'an IPv6 address is written in brackets, as in [::1]:8808'],
    ['::1:8808', 'an IPv6 address is written in brackets'],
    ['[::1', 'IPv6 address is written in brackets'],
    ['[::1]', 'no port'],
    ['[127.0.0.1]:1', "address '127.0.0.1': expected an IPv6 address within the brackets"],
  ] as const) {
    t.throws(() => addressOf(text), { message: `web: --listen '${text}': `, exit: 64 }, text);
    t.throws(() => addressOf(text), { message: reason }, text);
  }
  t.same(addressOf('[::1]:8808'), { host: '::1', port: 8808 });
  t.same(addressOf('localhost:0'), { host: 'localhost', port: 0 });
  t.equal(urlOf({ host: '::1', port: 8808 }), 'http://[::1]:8808/');
  const { directory } = await bench(t, { helper: false });
  t.match(await ctl(directory, 'web', '--listen', '8808'), { code: 64, err: 'did you mean' });
  t.match(await ctl(directory, 'web', '--listen'), { code: 64, err: 'usage: pppthingctl web' });
  t.match(await ctl(directory, 'web', 'x'), { code: 64, err: "unexpected argument 'x'" });
});

t.test('web --listen › what is loopback, and which Host is ours', async (t) => {
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1']) t.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '192.0.2.1', '128.0.0.1']) t.notOk(isLoopback(host), host);
  for (const host of ['LOCALHOST', '[fe80::1]:80', '127.0.0.1:1']) t.ok(isOurs(host), host);
  for (const host of [undefined, '', 'a', '[a]', '127.0.0.1:x', '127.0.0.1.nip.example', '::1'])
    t.notOk(isOurs(host), String(host));
});

t.test('web --listen › every address is taken when asked for, with a warning', async (t) => {
  const { directory } = await bench(t, { helper: false });
  const { url, server } = await serve(t, directory, '0.0.0.0:0');
  t.match(await ask(url.replace('0.0.0.0', '127.0.0.1')), { code: 200 });
  await server.printed('err', /\n/);
  t.match(server.err, /^pppthingctl: web: warning: 0\.0\.0\.0 is not a loopback address: anyone/);
});

t.test('web --listen › a port that is taken is said', async (t) => {
  const { directory } = await bench(t, { helper: false });
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.teardown(() => other.close());
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  t.match(await ctl(directory, 'web', '--listen', `127.0.0.1:${port}`), {
    code: 69,
    err: `listen 127.0.0.1 port ${port}: EADDRINUSE: another program listens there`,
  });
  t.match(await ctl(directory, 'web', '--listen', '192.0.2.1:1'), {
    code: 64,
    err: 'EADDRNOTAVAIL',
  });
});
