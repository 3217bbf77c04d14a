/**
 * Every number and offset of the backend is that of the kernel's headers, of each release. What the numbers are for is
 * tested elsewhere.
 */
import t from 'tap';
import { C, S } from '@ppp-thing/helper/freebsd/abi';
import { abis } from '@ppp-thing/lab/freebsd/abi';

for (const release of ['13.2', '15'] as const) {
  const { constants, structs } = abis[release];

  t.test(`abi › ${release} › each constant`, async (t) => {
    for (const [name, value] of Object.entries(C)) t.equal(value, constants[name], name);
  });

  t.test(`abi › ${release} › each size and offset`, async (t) => {
    for (const [name, layout] of Object.entries(S))
      for (const [field, offset] of Object.entries(layout))
        t.equal(offset, structs[name]?.[field], `${name}.${field}`);
  });
}

t.test('abi › an ioctl carries the size of its structure', async (t) => {
  const size = (request: number): number => (request >>> 16) & 0x1fff;
  const requests = [
    [C.SIOCAIFADDR, S.in_aliasreq.size],
    [C.SIOCAIFADDR_IN6, S.in6_aliasreq.size],
    [C.SIOCDIFADDR_IN6, S.in6_ifreq.size],
    [C.SIOCGIFMEDIA, S.ifmediareq.size],
    [C.SIOCGVH, S.ifreq.size],
    [C.SIOCSIFNAME, S.ifreq.size],
    [C.BIOCSETFNR, S.bpf_program.size],
  ] as const;
  for (const [request, expected] of requests) t.equal(size(request), expected);
});
