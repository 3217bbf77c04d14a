/** The role on Linux, read of a kernel that is a list: the real one is test/kernel's. */
import { Roles } from '@ppp-thing/helper/linux/roles';
import type { Address, Link } from '@ppp-thing/helper/linux/rtnetlink';
import t from 'tap';

const IFF_UP = 1;
const VIRTUAL = Uint8Array.of(192, 168, 7, 1);

const link = (index: number, name: string): Link => ({
  index,
  name,
  flags: IFF_UP,
  mtu: 1500,
  mac: new Uint8Array(6),
  parent: 0,
  kind: '',
  alias: '',
  counters: { octetsIn: 0, octetsOut: 0, packetsIn: 0, packetsOut: 0 },
});
const LINKS = [link(1, 'eth0'), link(2, 'lan0'), link(3, 'dmz0')];

t.test('roles › an address on another interface is said each time it comes there', async (t) => {
  const lines: string[] = [];
  let on = 0;
  const address = (index: number): Address => ({
    link: index,
    local: VIRTUAL,
    peer: VIRTUAL,
    prefix: 32,
  });
  const kernel = {
    link: (name: string) => LINKS.find((each) => each.name === name),
    linkAt: (index: number) => LINKS.find((each) => each.index === index),
    allAddresses: () => (on === 0 ? [] : [address(on)]),
  };
  const roles = new Roles(kernel, (line) => lines.push(line));
  const mac = Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 1);
  const carp = { interface: 'lan0', address: VIRTUAL };
  const common = { mtu: 1492, defaultRoute: true, fib: 0, demotion: 240 };
  const policy = {
    ...common,
    policy: 'follow-carp',
    name: 'pppoe0',
    interface: 'eth0',
    mac,
    carp,
  } as const;
  const roleWith = (index: number) => {
    on = index;
    return roles.level(policy).role;
  };
  t.equal(roleWith(3), 'BACKUP');
  t.equal(roleWith(3), 'BACKUP');
  t.equal(lines.length, 1, 'once');
  t.equal(roleWith(2), 'MASTER');
  t.equal(roleWith(3), 'BACKUP');
  t.equal(lines.length, 2, 'and again after this router was MASTER');
  t.equal(roleWith(0), 'BACKUP');
  t.equal(roleWith(3), 'BACKUP');
  t.equal(lines.length, 3);
});
