/** Every wait of the link and of PPP has a name, which the status shows while it runs. */
import t from 'tap';
import { LINK_WAITS } from '@ppp-thing/protocol/engine/link/waits';
import { PPP_WAITS } from '@ppp-thing/protocol/engine/ppp/waits';
import { WAITS } from '@ppp-thing/protocol/engine/owner/waits';
import { LinkPair, name } from './link-pair.ts';

const waits = (pair: LinkPair): readonly string[] => pair.link.waits().map((each) => each.name);
const DIALLING = ['opening', 'phase'];

/** A dial whose AC stops at one packet: what does the link wait for then? */
const SILENT_AT: Record<string, readonly [Parameters<typeof dial>, readonly string[]]> = {
  PADI: [['PADI'], ['PADI']],
  PADR: [['PADR'], ['PADR']],
  LCP: [['LCP'], ['lcp-restart', ...DIALLING]],
  PAP: [
    ['PAP', { auth: 'PAP' }],
    ['auth', ...DIALLING],
  ],
  IPCP: [['IPCP'], ['ipcp-restart', ...DIALLING]],
  'IPCP beside IPV6CP': [
    ['IPCP', {}, { ipv6: true }],
    ['ipcp', 'ipcp-restart', ...DIALLING],
  ],
  IPV6CP: [
    ['IPV6CP', { ipv4: false }, { ipv6: true }],
    ['ipv6cp-restart', ...DIALLING],
  ],
  nothing: [['-'], ['echo']],
};

function dial(
  silentAt: string,
  temperament: ConstructorParameters<typeof LinkPair>[1] = {},
  config: ConstructorParameters<typeof LinkPair>[0] = {},
): LinkPair {
  const pair = new LinkPair(config, temperament);
  pair.intercept = (sent) => (name(sent).startsWith(silentAt) ? [] : undefined);
  return pair.dial().run(200);
}

for (const [what, [args, expected]] of Object.entries(SILENT_AT))
  t.test(`waits › a dial whose AC is silent at ${what}`, async (t) => {
    t.strictSame([...waits(dial(...args))].sort(), [...expected].sort());
  });

t.test('waits › after a failure, behind a closed kernel, and on a silent line', async (t) => {
  const refused = dial('PADR');
  for (let i = 0; i < 100 && refused.closed.length === 0; i++) refused.run(100);
  t.strictSame(waits(refused), ['back-off']);
  t.equal(refused.link.status().nextDial, refused.link.waits()[0]?.at);
  const up = new LinkPair({}, { maxPayload: 1492 }).up().feed({ kind: 'session-closed' });
  t.strictSame(waits(up), ['reattach', 'echo']);
  t.strictSame(waits(new LinkPair().up().deaf().run(21_000)), ['probe']);
  const wide = new LinkPair({ mtu: 1500 }, { maxPayload: 1500, echo: 'none' }).up();
  t.strictSame(waits(wide), ['echo', 'size']);
  t.strictSame(waits(new LinkPair().up().feed({ kind: 'carrier', up: false })), []);
  t.strictSame(waits(new LinkPair().up().suspend()), []);
});

t.test('waits › no name stands for two waits', async (t) => {
  const names = [WAITS, LINK_WAITS, PPP_WAITS].flatMap((table) => Object.keys(table));
  t.equal(new Set(names).size, names.length);
});
