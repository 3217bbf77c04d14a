import { readFileSync } from 'node:fs';
import t from 'tap';
import { configDigest, differences } from '@ppp-thing/supervisor/config-digest';
import { SESSION_KEYS } from '@ppp-thing/supervisor/config-schema';
import { decodeConfigDigest } from '@ppp-thing/protocol/wire/config-digest';
import { KEY } from '../fixtures/partner.ts';
import { sessionSettings } from '../fixtures/settings.ts';
import { octetsOf } from '../hex.ts';

const settings = sessionSettings('pppoe0');

t.test('config digest › the document’s entry is what we write', async (t) => {
  const document = readFileSync('docs/partner-protocol.md', 'utf8');
  const text = /^```hex config-entry\n([^`]*)^```/m.exec(document)?.[1] ?? '';
  const [[name, digest] = ['', new Uint8Array()]] = decodeConfigDigest(octetsOf(text));
  t.equal(name, 'mtu');
  t.same(decodeConfigDigest(configDigest(settings, KEY)).get('mtu'), digest);
});

t.test('config digest › every key that must be alike is in it, and it fits', async (t) => {
  const octets = configDigest(settings, KEY);
  const names = new Set(decodeConfigDigest(octets).keys());
  const own = Object.keys(SESSION_KEYS).filter((key) => !names.has(key));
  t.strictSame(own.sort(), [
    'carp_interface',
    'delegated_within',
    'demotion_file',
    'duid',
    'fib',
    'iaid',
    'interface',
    'ipv4',
    'local_address',
    'metric',
    'partner_address',
    'partner_address6',
    'password_file',
    'prefix_delegation',
    'prefix_hint',
    'wan_address',
  ]);
  // What the previous release does not know is in it only where it is set.
  const more =
    'password = "hunter2"\nipv4 = false\nipv6 = true\nprefix_delegation = true\niaid = 1';
  const set = new Set(
    decodeConfigDigest(configDigest(sessionSettings('pppoe0', more), KEY)).keys(),
  );
  t.strictSame([...set].filter((name) => !names.has(name)).sort(), [
    'iaid',
    'ipv4',
    'prefix_delegation',
  ]);
  t.match(differences(settings, configDigest(sessionSettings('pppoe0', more), KEY), KEY), [
    'iaid',
    'ipv4',
    'ipv6',
    'prefix_delegation',
  ]);
  t.ok(octets.length <= 1024, `${octets.length} octets`);
});

t.test('config digest › another key, and every digest is another', async (t) => {
  const one = decodeConfigDigest(configDigest(settings, KEY));
  const other = decodeConfigDigest(
    configDigest(
      settings,
      KEY.map((octet) => octet ^ 1),
    ),
  );
  for (const [name, digest] of one) t.notSame(digest, other.get(name), name);
});

t.test(
  'config digest › what only one router has differs; what cannot be read is not known',
  async (t) => {
    const octets = configDigest(settings, KEY);
    t.strictSame(differences(settings, octets, KEY), []);
    t.ok(differences(settings, new Uint8Array(0), KEY)?.includes('mtu'));
    t.equal(differences(settings, octets.subarray(1), KEY), undefined);
  },
);
