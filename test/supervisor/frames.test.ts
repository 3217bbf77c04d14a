import t from 'tap';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import { DecodeError } from '@ppp-thing/protocol/bytes';
import type { Notice } from '@ppp-thing/protocol/ipc/messages';
import {
  eventOf,
  octetsOf,
  receivedLine,
  sentLine,
  type Heard,
} from '@ppp-thing/supervisor/frames';
import { hex } from '../hex.ts';

const session = 'pppoe0';
const source = hex`0200000000ac`;
const PADT = hex`11a712340000`;
const ECHO = hex`09010008deadbeef`;

const NOTICES: readonly [Heard, string][] = [
  [{ notice: 'discovery-frame', session, source, payload: PADT }, 'discovery'],
  [{ notice: 'ppp-frame', session, protocol: 0xc021, packet: ECHO }, 'ppp'],
  [{ notice: 'role', session, role: 'MASTER', gateOpen: true }, 'role'],
  [{ notice: 'carrier', session, up: false }, 'carrier'],
  [{ notice: 'own-mac-heard', session, epoch: 41, proof: NO_PROOF }, 'own-mac-heard'],
  [{ notice: 'session-closed', session }, 'session-closed'],
];

t.test('frames › each notice is one event', async (t) => {
  for (const [notice, kind] of NOTICES) t.equal(eventOf(notice).kind, kind);
  t.match(eventOf({ notice: 'own-mac-heard', session, epoch: 41, proof: NO_PROOF }), { epoch: 41 });
  t.match(eventOf({ notice: 'carrier', session, up: false }), { up: false });
  t.match(eventOf({ notice: 'discovery-frame', session, source, payload: PADT }), {
    source,
    packet: { code: 'PADT', sessionId: 0x1234 },
  });
});

t.test('frames › octets cut anywhere are a DecodeError and nothing else', async (t) => {
  const cut = (notice: Notice, octets: Uint8Array): void => {
    for (let length = 0; length < octets.length; length++) {
      const short = octets.subarray(0, length);
      const each =
        notice.notice === 'ppp-frame'
          ? { ...notice, packet: short }
          : { notice: 'discovery-frame' as const, session, source, payload: short };
      t.throws(() => eventOf(each), DecodeError, `${notice.notice} of ${length}`);
    }
  };
  cut({ notice: 'discovery-frame', session, source, payload: PADT }, PADT);
  cut({ notice: 'ppp-frame', session, protocol: 0xc021, packet: ECHO }, ECHO);
});

t.test('frames › a line shows what came and went, with its octets', async (t) => {
  const lines = NOTICES.map(([notice]) => receivedLine(eventOf(notice), octetsOf(notice)));
  t.strictSame(lines.slice(0, 3), [
    '<- PADT from 02:00:00:00:00:ac | 11a712340000',
    '<- LCP Echo-Request | 09010008deadbeef',
    undefined,
  ]);
  t.equal(
    sentLine({
      kind: 'send-discovery',
      destination: source,
      packet: { code: 'PADT', sessionId: 0x1234, tags: [] },
    }),
    '-> PADT to 02:00:00:00:00:ac | 11a712340000',
  );
  t.equal(sentLine({ kind: 'gate', open: true }), undefined);
});

t.test('frames › the line of a PAP request does not show the password', async (t) => {
  const packet = {
    code: 'Authenticate-Request',
    identifier: 1,
    peerId: new TextEncoder().encode('someone'),
    password: new TextEncoder().encode('hunter2'),
  } as const;
  const line = sentLine({ kind: 'send-ppp', packet: { protocol: 'PAP', packet } });
  t.equal(line, '-> PAP Authenticate-Request | (not shown)');
});
