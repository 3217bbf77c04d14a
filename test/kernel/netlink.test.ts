import t from 'tap';
import { endianness } from 'node:os';
import { toHex } from '@ppp-thing/protocol/bytes';
import {
  decodeAttributes,
  decodeMessages,
  errorOf,
  withSequence,
} from '@ppp-thing/helper/linux/netlink';
import {
  addAddress,
  changeLink,
  createMacvlan,
  decodeAddress,
  decodeLink,
  decodeRoute,
  netlinkAddress,
  appendRoute,
  mapPriority,
} from '@ppp-thing/helper/linux/rtnetlink';
import { packetAddress, pppoxAddress } from '@ppp-thing/helper/linux/sockets';
import { lineName } from '@ppp-thing/helper/linux/line';
import { hex } from '../hex.ts';

// Netlink is in the host's own order; the octets below are those of a little-endian host.
const skip = endianness() === 'LE' ? false : 'the fixtures are little-endian';

const MAC = hex`02 00 5e 10 53 01`;

t.test(
  'netlink › a macvlan is asked for: private, silent, with the session MAC',
  { skip },
  async (t) => {
    const request = withSequence(createMacvlan('pl-wan', 7, MAC, 1500), 9);
    const expected = hex`
    64000000 1000 0506 09000000 00000000   # 100 octets, RTM_NEWLINK, REQUEST ACK EXCL CREATE, sequence 9
    00 00 0000 00000000 80000000 80000000  # ifinfomsg: index 0, IFF_NOARP set, IFF_NOARP changed
    0b00 0300 706c2d77616e00 00            # IFLA_IFNAME "pl-wan"
    0800 0500 07000000                     # IFLA_LINK 7
    0a00 0100 02005e105301 0000            # IFLA_ADDRESS
    0800 0400 dc050000                     # IFLA_MTU 1500
    1c00 1200                              # IFLA_LINKINFO
      0c00 0100 6d6163766c616e00           #   IFLA_INFO_KIND "macvlan"
      0c00 0200                            #   IFLA_INFO_DATA
        0800 0100 01000000                 #     IFLA_MACVLAN_MODE private
  `;
    t.equal(toHex(request), toHex(expected));
  },
);

t.test('netlink › a change of a link names only what changes', { skip }, async (t) => {
  const up = hex`
    20000000 1000 0500 00000000 00000000
    00 00 0000 05000000 01000000 01000000  # index 5, IFF_UP set, IFF_UP changed
  `;
  t.equal(toHex(changeLink(5, { up: true })), toHex(up));
  const mtu = hex`
    28000000 1000 0500 00000000 00000000
    00 00 0000 05000000 00000000 00000000  # no flag changed
    0800 0400 d4050000                     # IFLA_MTU 1492
  `;
  t.equal(toHex(changeLink(5, { mtu: 1492 })), toHex(mtu));
});

t.test('netlink › an address carries both ends', { skip }, async (t) => {
  const address = {
    link: 3,
    local: Uint8Array.of(10, 67, 15, 1),
    peer: Uint8Array.of(10, 67, 0, 1),
    prefix: 32,
  };
  const request = addAddress(address);
  const expected = hex`
    28000000 1400 0506 00000000 00000000   # RTM_NEWADDR, REQUEST ACK EXCL CREATE
    02 20 00 00 03000000                   # AF_INET, /32, scope universe, interface 3
    0800 0200 0a430f01                     # IFA_LOCAL
    0800 0100 0a430001                     # IFA_ADDRESS: the other end
  `;
  t.equal(toHex(request), toHex(expected));
  const [message] = decodeMessages(request);
  t.same(message && decodeAddress(message), { ...address, permanent: false }, 'mirrors');
});

t.test('netlink › a default route carries our own protocol number', { skip }, async (t) => {
  const route = {
    family: 2,
    table: 254,
    protocol: 0x2e,
    link: 4,
    source: Uint8Array.of(10, 67, 15, 1),
    metric: 0,
  };
  const request = appendRoute(route);
  const expected = hex`
    34000000 1800 050c 00000000 00000000   # RTM_NEWROUTE, REQUEST ACK CREATE APPEND
    02 00 00 00 fe 2e fd 01 00000000       # AF_INET, 0.0.0.0/0, main, ours, scope link, unicast
    0800 0f00 fe000000                     # RTA_TABLE 254
    0800 0400 04000000                     # RTA_OIF 4
    0800 0700 0a430f01                     # RTA_PREFSRC
  `;
  t.equal(toHex(request), toHex(expected));
  const [message] = decodeMessages(request);
  t.same(message && decodeRoute(message), route, 'mirrors');
});

t.test('netlink › a VLAN gets one more mapping of a priority', { skip }, async (t) => {
  const expected = hex`
    44000000 1000 0500 00000000 00000000   # RTM_NEWLINK, REQUEST ACK
    00 00 0000 05000000 00000000 00000000  # index 5
    2400 1200                              # IFLA_LINKINFO
    0900 0100 766c616e00 000000            # IFLA_INFO_KIND "vlan"
    1400 0200                              # IFLA_INFO_DATA
    1000 0300                              # IFLA_VLAN_EGRESS_QOS
    0c00 0100 16000000 06000000            # IFLA_VLAN_QOS_MAPPING: 22 to 6
  `;
  t.equal(toHex(mapPriority(5, 22, 6)), toHex(expected));
});

t.test('netlink › a link is read as the kernel writes it', { skip }, async (t) => {
  const octets = hex`
    58000000 1000 0000 01000000 00000000   # RTM_NEWLINK
    00 00 0100 05000000 c3100100 00000000  # ARPHRD_ETHER, index 5, UP BROADCAST RUNNING NOARP MULTICAST LOWER_UP
    0b00 0300 706c2d77616e00 00            # IFLA_IFNAME
    0a00 0100 02005e105301 0000            # IFLA_ADDRESS
    0800 0400 d4050000                     # IFLA_MTU 1492
    0800 0500 02000000                     # IFLA_LINK 2
    1000 1280                              # IFLA_LINKINFO, with the bit that says nested
      0c00 0100 6d6163766c616e00           #   IFLA_INFO_KIND "macvlan"
  `;
  const [message] = decodeMessages(octets);
  const link = message && decodeLink(message);
  t.equal(link?.name, 'pl-wan');
  t.equal(link?.kind, 'macvlan');
  t.equal(link?.index, 5);
  t.equal(link?.parent, 2);
  t.equal(link?.mtu, 1492);
  t.equal(link?.flags, 0x110c3);
  t.same(link?.mac, MAC);
});

t.test('netlink › an error is an errno, an acknowledgement is none', { skip }, async (t) => {
  const octets = hex`
    14000000 0200 0000 01000000 00000000 efffffff   # NLMSG_ERROR -17
    14000000 0200 0000 02000000 00000000 00000000   # NLMSG_ERROR 0
  `;
  t.same(decodeMessages(octets).map(errorOf), [17, 0]);
});

t.test('netlink › every truncation and every wrong length ends the list and no more', async (t) => {
  const octets = createMacvlan('pl-wan', 7, MAC, 1500);
  for (let length = 0; length < octets.length; length++) {
    const messages = decodeMessages(octets.subarray(0, length));
    t.equal(messages.length, 0, `${length} octets are no message`);
  }
  for (let at = 32; at < octets.length; at++) {
    for (const value of [0, 1, 3, 0xff]) {
      const changed = octets.slice(32);
      changed[at - 32] = value;
      t.ok(decodeAttributes(changed).size <= 5);
    }
  }
});

t.test('sockets › addresses are laid out as the kernel reads them', { skip }, async (t) => {
  const key = { sessionId: 0x1234, acMac: hex`02 00 00 00 00 ac` };
  t.equal(
    toHex(pppoxAddress(key, 'pl-wan')),
    toHex(hex`
      1800 00000000                        # AF_PPPOX, PX_PROTO_OE, packed
      1234 0200000000ac                    # SESSION_ID in network order, AC MAC
      706c2d77616e 00000000000000000000    # interface name in 16 octets
    `),
  );
  t.equal(
    toHex(packetAddress(5, 0x8863)),
    toHex(hex`1100 8863 05000000 0000 00 00 0000000000000000`),
  );
  t.equal(toHex(netlinkAddress(0x11)), toHex(hex`1000 0000 00000000 11000000`));
});

t.test('line › its name fits in 15 octets and tells sessions apart', async (t) => {
  t.equal(lineName('wan'), 'pl-wan');
  const long = ['abcdefghijklmn1', 'abcdefghijklmn2'].map(lineName);
  t.ok(long.every((name) => name.length <= 15));
  t.not(long[0], long[1]);
});
