/**
 * Which of the kernel's constants and structures the fake kernel looks up by name, and the tests on a real kernel, beside those of the backend. Only names:
 * the numbers are in the fixture.
 */

export const FAKE_CONSTANTS = [
  'NGM_NODEINFO',
  'NGM_LISTNAMES',
  'NGM_TEXT_STATUS',
  'NGM_ETHER_GET_IFINDEX',
  'NGM_ETHER_GET_ENADDR',
  'NGM_ETHER_SET_PROMISC',
  'NGM_ETHER_GET_PROMISC',
  'NGM_ETHER_GET_AUTOSRC',
  'NGM_ETF_GET_STATUS',
  'NGM_PPPOE_GET_STATUS',
  'NGM_PPPOE_ACNAME',
  'NGM_PPPOE_SESSIONID',
  'NGM_PPPOE_SETMAXP',
  'NGM_IFACE_GET_IFINDEX',
  'NGM_HUB_COOKIE',
  'SIOCSVH',
  'SIOCIFCREATE2',
  'SIOCIFDESTROY',
  'BIOCGBLEN',
  'BIOCPROMISC',
  'BIOCFLUSH',
  'IFF_BROADCAST',
  'IFF_POINTOPOINT',
  'IFF_PROMISC',
  'IFF_SIMPLEX',
  'IFF_MULTICAST',
  'SOCK_STREAM',
  'AF_LINK',
  'RTA_IFP',
  'RTA_IFA',
  'RTA_BRD',
] as const;

export const FAKE_STRUCTS = ['ifa_msghdr', 'if_msghdr', 'ngpppoestat', 'ng_etfstat'] as const;
