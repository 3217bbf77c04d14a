/** What LCP and the NCPs ask, accept, refuse and give up. */
import t from 'tap';
import { LcpOptions, type LcpSettings } from '@ppp-thing/protocol/engine/ppp/lcp-options';
import { IpcpOptions, Ipv6cpOptions } from '@ppp-thing/protocol/engine/ppp/ncp';
import type { LcpOption } from '@ppp-thing/protocol/wire/lcp';
import { UNSPECIFIED_V4, type IpcpOption } from '@ppp-thing/protocol/wire/ncp';
import { counterRandom } from './link-pair.ts';
import { AC_INTERFACE_ID, ADDRESS, DNS1, DNS2, PEER } from './scripted-ac.ts';

const PLAIN: LcpSettings = { mru: 1492, magicNumber: true, auth: ['CHAP-MD5', 'PAP'] };
const lcp = (settings: Partial<LcpSettings> = {}) =>
  new LcpOptions({ ...PLAIN, ...settings }, counterRandom());
const unknown = (type: number) => ({ kind: 'unknown', type, raw: Uint8Array.of(type, 2) }) as const;
const magicOf = (options: readonly LcpOption[]): number => {
  const option = options.find(({ kind }) => kind === 'magic');
  return option?.kind === 'magic' ? option.magic : 0;
};

void t.test('lcp › P13: we ask for an MRU of 1492 and a Magic-Number, and nothing else', (t) => {
  t.match(lcp().request(), [{ kind: 'mru', mru: 1492 }, { kind: 'magic' }]);
  t.equal(lcp().request().length, 2);
  t.same(lcp({ magicNumber: false }).request(), [{ kind: 'mru', mru: 1492 }]);
  t.end();
});

void t.test(
  'lcp › P12, L15: ACCM, Quality, PFC, ACFC, FCS-Alternatives and Callback are rejected',
  (t) => {
    for (const type of [2, 4, 7, 8, 9, 13, 17, 255]) t.equal(lcp().judge(unknown(type)), 'reject');
    t.end();
  },
);

void t.test('lcp › M3: a Nak takes the MRU down, never above what was agreed in discovery', (t) => {
  const options = lcp({ mru: 1500 });
  options.naked([{ kind: 'mru', mru: 9000 }]);
  t.match(options.request()[0], { mru: 1500 });
  options.naked([{ kind: 'mru', mru: 1492 }]);
  t.match(options.request()[0], { mru: 1492 });
  options.naked([{ kind: 'mru', mru: 0 }]);
  t.match(options.request()[0], { mru: 1492 }, 'nor absurdly low');
  t.end();
});

void t.test('lcp › a rejected MRU is not asked again, and the line’s size holds', (t) => {
  const options = lcp();
  options.rejected([{ kind: 'mru', mru: 1492 }]);
  t.notOk(options.request().some(({ kind }) => kind === 'mru'));
  t.equal(options.agreement.ourMru, 1492);
  t.end();
});

void t.test('lcp › the peer’s MRU is kept, but never beyond what the line carries', (t) => {
  const options = lcp();
  t.equal(options.agreement.theirMru, 1492, 'the default is 1500');
  options.accept([{ kind: 'mru', mru: 1480 }]);
  t.equal(options.agreement.theirMru, 1480);
  options.accept([{ kind: 'mru', mru: 65535 }]);
  t.equal(options.agreement.theirMru, 1492);
  t.same(options.judge({ kind: 'mru', mru: 1 }), { nak: { kind: 'mru', mru: 1492 } });
  t.end();
});

void t.test('lcp › L10: zero and our own Magic-Number are Nak’d with another (§6.4)', (t) => {
  const options = lcp();
  const ours = magicOf(options.request());
  for (const magic of [0, ours]) {
    const verdict = options.judge({ kind: 'magic', magic });
    t.match(verdict, { nak: { kind: 'magic', magic: Number } });
    t.notMatch(verdict, { nak: { magic: ours } });
  }
  t.equal(options.judge({ kind: 'magic', magic: ours ^ 1 }), 'ack');
  t.end();
});

void t.test('lcp › a peer that insists on a Magic-Number of zero has none', (t) => {
  const options = lcp();
  const verdicts = [1, 2, 3, 4].map(() => options.judge({ kind: 'magic', magic: 0 }));
  t.equal(typeof verdicts[2], 'object');
  t.equal(verdicts[3], 'ack');
  options.restart();
  t.equal(typeof options.judge({ kind: 'magic', magic: 0 }), 'object', 'each negotiation anew');
  t.end();
});

void t.test('lcp › L10: a Nak of our Magic-Number draws a new one, not the one proposed', (t) => {
  const options = lcp();
  const ours = magicOf(options.request());
  options.naked([{ kind: 'magic', magic: 12345 }]);
  t.notOk([ours, 12345, 0].includes(magicOf(options.request())));
  t.end();
});

void t.test('lcp › L10: five copies of our own Magic-Number mean a looped line', (t) => {
  const options = lcp();
  const magic = magicOf(options.request());
  for (let i = 0; i < 5; i++) {
    t.equal(options.failure, undefined);
    options.judge({ kind: 'magic', magic });
  }
  t.match(options.failure, /looped/);
  t.end();
});

void t.test('lcp › a rejected Magic-Number counts as none', (t) => {
  const options = lcp();
  options.rejected([{ kind: 'magic', magic: 1 }]);
  t.equal(options.agreement.ourMagic, 0);
  t.end();
});

void t.test(
  'lcp › S3: only the methods allowed are acknowledged; for another our best is named',
  (t) => {
    const chap = lcp({ auth: ['CHAP-MD5'] });
    t.equal(chap.judge({ kind: 'authentication', method: 'CHAP-MD5' }), 'ack');
    for (const method of ['PAP', 'MS-CHAPv2', 'unknown'] as const)
      t.same(chap.judge({ kind: 'authentication', method }), {
        nak: { kind: 'authentication', method: 'CHAP-MD5' },
      });
    t.equal(lcp({ auth: [] }).judge({ kind: 'authentication', method: 'PAP' }), 'reject');
    t.end();
  },
);

void t.test(
  'lcp › a new negotiation keeps our Magic-Number and asks again for what was rejected',
  (t) => {
    const options = lcp();
    const magic = magicOf(options.request());
    options.rejected([{ kind: 'mru', mru: 1492 }]);
    options.restart();
    t.same(options.request(), [
      { kind: 'mru', mru: 1492 },
      { kind: 'magic', magic },
    ]);
    t.end();
  },
);

void t.test(
  'ipcp › 0.0.0.0 is asked for, the Nak taken, and asked for again (RFC 1332 §3.3)',
  (t) => {
    const options = new IpcpOptions({ dns: true }, UNSPECIFIED_V4);
    t.same(options.request(), [
      { kind: 'address', address: UNSPECIFIED_V4 },
      { kind: 'dns1', address: UNSPECIFIED_V4 },
      { kind: 'dns2', address: UNSPECIFIED_V4 },
    ]);
    const naks: IpcpOption[] = [
      { kind: 'address', address: ADDRESS },
      { kind: 'dns1', address: DNS1 },
      { kind: 'dns2', address: DNS2 },
    ];
    options.naked(naks);
    t.same(options.request(), naks);
    t.same(options.agreement, {
      ourAddress: ADDRESS,
      theirAddress: Uint8Array.of(10, 64, 64, 64),
      dns: [DNS1, DNS2],
    });
    t.end();
  },
);

void t.test(
  'ipcp › IP-Addresses, VJ and requests for our name servers are rejected; any address of theirs will do',
  (t) => {
    const options = new IpcpOptions({ dns: true }, UNSPECIFIED_V4);
    for (const type of [1, 2, 4, 130, 132]) t.equal(options.judge(unknown(type)), 'reject');
    t.equal(options.judge({ kind: 'dns1', address: DNS1 }), 'reject');
    for (const address of [PEER, UNSPECIFIED_V4])
      t.equal(options.judge({ kind: 'address', address }), 'ack');
    options.accept([]);
    t.same(options.agreement.theirAddress, Uint8Array.of(10, 64, 64, 64), 'unnumbered');
    t.end();
  },
);

void t.test('ipcp › one name server of two may be rejected alone', (t) => {
  const options = new IpcpOptions({ dns: true }, UNSPECIFIED_V4);
  options.rejected([{ kind: 'dns2', address: UNSPECIFIED_V4 }]);
  options.naked([{ kind: 'dns1', address: DNS1 }]);
  t.same(options.agreement.dns, [DNS1]);
  t.end();
});

void t.test(
  'ipv6cp › the identifier is random, never zero, with the universal bit clear (RFC 5072 §4.1)',
  (t) => {
    for (let seed = 1; seed < 50; seed++) {
      const [option] = new Ipv6cpOptions(counterRandom(seed), undefined).request();
      const id = option?.kind === 'interfaceId' ? option.interfaceId : new Uint8Array(8);
      t.ok(id.some((octet) => octet !== 0) && ((id[0] ?? 0) & 2) === 0);
    }
    const [zero] = new Ipv6cpOptions((n) => new Uint8Array(n), undefined).request();
    t.match(zero, { interfaceId: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1) });
    t.end();
  },
);

void t.test('ipv6cp › an identifier of earlier is kept', (t) => {
  const [option] = new Ipv6cpOptions(counterRandom(), AC_INTERFACE_ID).request();
  t.match(option, { interfaceId: AC_INTERFACE_ID });
  t.end();
});

void t.test(
  'ipv6cp › zero and our own identifier are Nak’d with another; none is asked for one',
  (t) => {
    const options = new Ipv6cpOptions(counterRandom(), AC_INTERFACE_ID);
    for (const interfaceId of [new Uint8Array(8), AC_INTERFACE_ID]) {
      const verdict = options.judge({ kind: 'interfaceId', interfaceId });
      t.match(verdict, { nak: { kind: 'interfaceId' } });
      t.notMatch(verdict, { nak: { interfaceId } });
    }
    t.equal(options.missing([]).length, 1);
    t.equal(options.judge(unknown(2)), 'reject', 'compression');
    t.end();
  },
);

void t.test('ipv6cp › a Nak’s identifier is taken, unless it is zero or our own again', (t) => {
  const better = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7);
  const naked = (interfaceId: Uint8Array) => {
    const options = new Ipv6cpOptions(counterRandom(), AC_INTERFACE_ID);
    options.naked([{ kind: 'interfaceId', interfaceId }]);
    return options.request();
  };
  t.match(naked(better), [{ interfaceId: better }]);
  for (const useless of [new Uint8Array(8), AC_INTERFACE_ID])
    t.notMatch(naked(useless), [{ interfaceId: useless }]);
  t.end();
});

void t.test('ipv6cp › an AC without identifiers leaves no link-local address', (t) => {
  const options = new Ipv6cpOptions(counterRandom(), undefined);
  options.accept([{ kind: 'interfaceId', interfaceId: AC_INTERFACE_ID }]);
  options.rejected();
  t.equal(options.agreement, undefined);
  t.same(options.request(), []);
  t.end();
});
