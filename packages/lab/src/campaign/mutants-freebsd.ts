/**
 * Deliberate faults of the FreeBSD backend: one constant, offset or order changed. Its contract or its own tests on the fake
 * kernel notice each. Nothing here runs in the product.
 */
import { of, type Mutant } from './mutants.ts';

export const FREEBSD_MUTANTS: readonly Mutant[] = [
  ...of('helper/dist/freebsd/abi.js', 'freebsd/contract', [
    ['freebsd: the command MKPEER', 'NGM_MKPEER: 2,', 'NGM_MKPEER: 3,'],
    ['freebsd: the command RMHOOK', 'NGM_RMHOOK: 5,', 'NGM_RMHOOK: 6,'],
    ['freebsd: the cookie of etf', 'NGM_ETF_COOKIE: 983084516', 'NGM_ETF_COOKIE: 983084517'],
    ['freebsd: the version of messages', 'NG_VERSION: 8', 'NG_VERSION: 7'],
    [
      'freebsd: the peer hook of CONNECT',
      'ourhook: 512, peerhook: 544',
      'ourhook: 512, peerhook: 542',
    ],
    [
      'freebsd: the EtherType of a filter',
      'matchhook: 0, ethertype: 32',
      'matchhook: 0, ethertype: 30',
    ],
    [
      'freebsd: the node in a list of hooks',
      'peerhook: 32, nodeinfo: 64',
      'peerhook: 32, nodeinfo: 60',
    ],
    ["freebsd: the length of pppoe's data", 'data_len: 32', 'data_len: 30'],
    ["freebsd: the link's switch in ppp", 'enableLink: 0', 'enableLink: 1'],
    ["freebsd: ppp's counters", 'recvFrames: 16', 'recvFrames: 32'],
    ['freebsd: the write filter', 'BIOCSETWF: 0x8010427b', 'BIOCSETWF: 0x8010427c'],
    ['freebsd: the captured length of BPF', 'bh_caplen: 16', 'bh_caplen: 12'],
    ['freebsd: the promiscuous flag', 'IFF_PPROMISC: 0x20000', 'IFF_PPROMISC: 0x100'],
    ['freebsd: the state of a vhid', 'carpr_state: 8', 'carpr_state: 12'],
    ['freebsd: the hook that a program passes to', 'ifMatch: 32', 'ifMatch: 64'],
  ]),
  ...of('helper/dist/freebsd/abi.js', 'freebsd/life', [
    [
      'freebsd: the other end of an address',
      'ifra_broadaddr: 32, ifra_mask: 48',
      'ifra_broadaddr: 48, ifra_mask: 32',
    ],
    ['freebsd: the type of a routing message', 'RTM_CHANGE: 3', 'RTM_CHANGE: 2'],
  ]),
  ...of('helper/dist/freebsd/abi.js', 'freebsd/backend', [
    ['freebsd: the direction of BPF', 'BPF_D_IN: 0', 'BPF_D_IN: 1'],
  ]),
  ...of('helper/dist/freebsd/gate.js', 'freebsd/contract', [
    [
      'freebsd: the filter set before the hook is joined',
      'this.#netgraph.tell(bpf, SET_PROGRAM, hookProgram(hook, LINE, everything()));',
      '',
    ],
  ]),
  ...of('helper/dist/freebsd/gate.js', 'freebsd/backend', [
    ['freebsd: a gate joined under its old name', '`u${this.#next++}`', "(this.#next = 2, 'u1')"],
  ]),
  ...of('helper/dist/freebsd/session.js', 'freebsd/backend', [
    [
      'freebsd: a gate that is not joined after it closed',
      'this.#gateOpen = false;\n        this.#joinGate();',
      'this.#gateOpen = false;\n        ',
    ],
    [
      'freebsd: the line read before the session',
      'this.#readData();\n        const take',
      'const take',
    ],
  ]),
  ...of('helper/dist/freebsd/arming.js', 'freebsd/contract', [
    [
      'freebsd: CONNECT before SETENADDR',
      'this.#netgraph.tell(`${this.#graph.pppoe}:`, SETENADDR, this.#mac);\n        this.#connect(hook, HOST_UNIQ);',
      'this.#connect(hook, HOST_UNIQ); this.#netgraph.tell(`${this.#graph.pppoe}:`, SETENADDR, this.#mac);',
    ],
    [
      'freebsd: PADS before PADO',
      'this.#answer(PADO, acMac, 0)',
      'this.#answer(PADS, acMac, sessionId)',
    ],
  ]),
  ...of('helper/dist/freebsd/addressing.js', 'freebsd/life', [
    [
      'freebsd: flags before addresses',
      'setAddress(interfaces, name, own, theirAddress);\n    setInterfaceId(interfaces, name, before?.interfaceIds?.ours, settings.interfaceIds?.ours);\n    // Last: ng_iface comes up by itself with a new address.\n    setUp(interfaces, name, up);',
      'setUp(interfaces, name, up); setAddress(interfaces, name, own, theirAddress); \n    setInterfaceId(interfaces, name, before?.interfaceIds?.ours, settings.interfaceIds?.ours);\n    // Last: ng_iface comes up by itself with a new address.\n    ',
    ],
  ]),
  ...of('helper/dist/freebsd/demotion.js', 'freebsd/life', [
    ['freebsd: a demotion that is not taken back', ': -amount', ': 0'],
  ]),
  ...of('helper/dist/freebsd/parent.js', 'freebsd/departure', [
    [
      'freebsd: a hub that stayed is not found again',
      'const stray = found === undefined ? strayHub(netgraph, ether) : undefined;',
      'const stray = undefined;',
    ],
  ]),
  ...of('helper/dist/freebsd/parent.js', 'freebsd/life', [
    [
      'freebsd: a hub that is never removed',
      "unless(['ENOENT'], () => netgraph.shutdown(`${hub}:`));",
      '',
    ],
  ]),
];
