/** One rule for the ends of a session: what is agreed with an AC can be put on the interface. */
import * as fc from 'fast-check';
import t from 'tap';
import { isAmong, isHost, peerLabel } from '@ppp-thing/protocol/addresses';
import { parsePolicy } from '@ppp-thing/helper/policy-file';
import { parseConfig } from '@ppp-thing/supervisor/config';

const address = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.constantFrom(
    new Uint8Array(4),
    Uint8Array.of(0, 1, 2, 3),
    Uint8Array.of(127, 0, 0, 1),
    Uint8Array.of(10, 64, 64, 64),
    Uint8Array.of(192, 168, 7, 1),
    Uint8Array.of(224, 0, 0, 1),
    Uint8Array.of(255, 255, 255, 255),
  ),
);

t.test('addresses › whatever the AC says, its label is a host’s, and nobody else’s', async (t) => {
  fc.assert(
    fc.property(address, fc.array(address, { maxLength: 12 }), (said, taken) => {
      const label = peerLabel(said, taken);
      return isHost(label) && !isAmong(label, taken);
    }),
  );
  const taken = Array.from({ length: 256 }, (_, i) => Uint8Array.of(10, 64, 64, i));
  t.notOk(isAmong(peerLabel(new Uint8Array(4), taken), taken), 'also where many are taken');
});

t.test('addresses › what the helper refuses the engine does not agree to', async (t) => {
  const text = `[session.pppoe0]
interface = "igb0"
mac = "02:00:5e:10:53:01"
user = "someone"
password = "hunter2"
carp_interface = "igb1"
carp_address = "192.168.7.1"
local_address = "192.168.7.2"
partner_address = "192.168.7.3"
`;
  const [policy] = parsePolicy(text, 'test', { platform: 'freebsd', uid: 1 }).sessions;
  const refused = [policy?.carp?.address, policy?.localAddress, policy?.partnerAddress];
  const { sessions } = parseConfig(text, 'test', () => '');
  const reserved = sessions[0]?.engine.link.reserved ?? [];
  t.equal(refused.length, 3);
  for (const each of refused) t.ok(each !== undefined && isAmong(each, reserved), String(each));
});
