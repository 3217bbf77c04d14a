/**
 * What docs/ipv6.md has the administrator write is read by the product as it stands there. `make lab-kernel ARGS=--ipv6` sets its
 * routers up with the same words, and runs them.
 */
import { toHex } from '@ppp-thing/protocol/bytes';
import { parseIpv6 } from '@ppp-thing/protocol/wire/ipv6';
import t from 'tap';
import { parsePolicy } from '@ppp-thing/helper/policy-file';
import { OWN6, readPage6 } from '@ppp-thing/lab/kernel/page6';
import { parseConfig } from '@ppp-thing/supervisor/config';

const BEFORE = `
[partner]
local_address = "10.99.0.1"
address = "10.99.0.2"
key_file = "/nowhere"
router_id = 1
partner_id = 2

[session.wan]
interface = "eth0"
mac = "02:00:5e:10:53:01"
user = "alice"
password = "secret1"
carp_interface = "eth1"
carp_address = "192.168.7.1"
partner_address = "192.168.7.3"
`;

const octets = (text: string): Uint8Array => parseIpv6(text) ?? new Uint8Array();

t.test('the configuration is good for both processes of both routers', async (t) => {
  const { configuration } = await readPage6({ session: 'wan', lan: 'eth1' });
  for (const name of ['r1', 'r2'] as const) {
    const text = BEFORE + configuration[name];
    const { sessions } = parsePolicy(text, 'page', { platform: 'linux', uid: 0 });
    const [{ lans = [], delegation, partnerAddress6 } = {}] = sessions;
    const { local, host } = OWN6[name];
    t.same(
      lans.map(({ interface: card, host: end }) => [card, toHex(end)]),
      ['eth1', 'eth1.20'].map((card) => [card, toHex(octets(host).subarray(8))]),
    );
    t.match(delegation, { prefixes: { within: {} } });
    t.notSame(partnerAddress6?.address, octets(local), 'the partner is the other one');
    t.doesNotThrow(() => parseConfig(text, 'page', () => ''));
  }
});
