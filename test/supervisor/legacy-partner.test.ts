import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import {
  type PartnerMessage,
  type Role,
  NO_SNAPSHOT,
  type Snapshot,
} from '@ppp-thing/protocol/session';
import { LegacyPartner } from '@ppp-thing/supervisor/legacy-partner';
import { Log } from '@ppp-thing/supervisor/log';
import { IPV6_ONLY, SNAPSHOT } from '../fixtures/partner.ts';
import { hex } from '../hex.ts';

/** As FIELD knows it: `!`, AC MAC, SESSION_ID, negotiated address, AC's address. */
const RECORD = hex`
  21             # record
  0200000000ac   # AC MAC
  1234           # SESSION_ID
  cb007107       # negotiated address
  c0000201       # AC's address
`;
const NONE = hex`21 000000000000 0000 00000000 00000000`;
const QUERY = hex`3f`;
const OUR_MAC = hex`02005e105301`;
const PARTNER_ID = 2;

interface Pair {
  readonly ours: LegacyPartner;
  /** In the place of the original: at 127.0.0.2, same port. */
  readonly original: Socket;
  readonly port: number;
  readonly heard: PartnerMessage[];
  says(octets: Uint8Array): Promise<void>;
  /** What the original hears next. */
  hears(): Promise<Uint8Array>;
}

async function pair(t: Test): Promise<Pair> {
  const original = createSocket('udp4');
  original.bind(0, '127.0.0.2');
  await once(original, 'listening');
  t.teardown(() => original.close());
  const { port } = original.address();
  const heard: PartnerMessage[] = [];
  const inbox: Uint8Array[] = [];
  let wake: (() => void) | undefined;
  original.on('message', (octets) => {
    inbox.push(new Uint8Array(octets));
    wake?.();
  });
  const ours = await LegacyPartner.open({
    localAddress: '127.0.0.1',
    address: '127.0.0.2',
    port,
    partnerId: PARTNER_ID,
    session: { name: 'pppoe0', ourMac: OUR_MAC },
    log: new Log(
      'error',
      () => {},
      () => 0,
    ),
    wallClock: () => 1_764_000_000_500,
    heard: (_session, message) => heard.push(message),
  });
  t.teardown(() => ours.close());
  const settled = (): number => {
    const { datagramsIn, datagramsRefused } = ours.counters();
    return datagramsIn + Object.values(datagramsRefused).reduce((sum, count) => sum + count, 0);
  };
  return {
    ours,
    original,
    port,
    heard,
    async says(octets) {
      const before = settled();
      original.send(octets, port, '127.0.0.1');
      while (settled() === before) await new Promise<void>((resolve) => setImmediate(resolve));
    },
    async hears() {
      while (inbox.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return inbox.shift() ?? new Uint8Array();
    },
  };
}

const message = (role: Role, open: boolean, snapshot: Snapshot): PartnerMessage => ({
  sender: 1,
  role,
  healthy: true,
  armed: false,
  open,
  proven: open,
  yielding: false,
  hearing: true,
  snapshot,
});

t.test(
  'legacy partner › a BACKUP without a session asks, and takes the record as the partner’s',
  async (t) => {
    const { ours, heard, says, hears } = await pair(t);
    ours.tell('pppoe0', message('BACKUP', false, NO_SNAPSHOT));
    t.strictSame(await hears(), QUERY);
    await says(RECORD);
    t.equal(heard.length, 1);
    const { role, open, proven, armed, snapshot } = heard[0] ?? message('INIT', false, NO_SNAPSHOT);
    t.strictSame(
      { role, open, proven, armed },
      { role: 'MASTER', open: true, proven: true, armed: false },
    );
    t.strictSame(
      { ...snapshot, facts: snapshot.facts?.key },
      {
        epoch: 1,
        generation: 0,
        holder: PARTNER_ID,
        facts: { sessionId: 0x1234, acMac: hex`0200000000ac`, ourMac: OUR_MAC },
      },
    );
    t.equal(snapshot.facts?.ourMagic, 0);
    t.equal(snapshot.facts?.theirMagic, 0);
    t.equal(snapshot.facts?.auth, 'CHAP-MD5');
    t.strictSame(snapshot.facts?.ourAddress, hex`cb007107`);
    t.equal(snapshot.facts?.startedAt, 1_764_000_000);
  },
);

t.test(
  'legacy partner › of a session without IPv4 nothing is told, and a question is not answered',
  async (t) => {
    const { ours, says, hears } = await pair(t);
    ours.tell('pppoe0', message('MASTER', true, { ...SNAPSHOT, facts: IPV6_ONLY }));
    await says(QUERY);
    ours.tell('pppoe0', message('MASTER', true, NO_SNAPSHOT));
    ours.tell('pppoe0', message('MASTER', true, SNAPSHOT));
    t.strictSame(await hears(), RECORD, 'the first that it hears');
  },
);

t.test('legacy partner › a record that says what is known is no news', async (t) => {
  const { ours, heard, says } = await pair(t);
  const known = { ...SNAPSHOT, holder: PARTNER_ID };
  ours.tell('pppoe0', message('BACKUP', false, known));
  await says(RECORD);
  t.equal(heard[0]?.snapshot, known);
});

t.test(
  'legacy partner › the session we held is the partner’s one epoch on, its facts kept',
  async (t) => {
    const { ours, heard, says } = await pair(t);
    ours.tell('pppoe0', message('BACKUP', false, SNAPSHOT));
    await says(RECORD);
    t.strictSame(heard[0]?.snapshot, { ...SNAPSHOT, epoch: 43, generation: 0, holder: PARTNER_ID });
  },
);

t.test('legacy partner › SESSION_ID 0 says that there is none', async (t) => {
  const { ours, heard, says } = await pair(t);
  const known = { ...SNAPSHOT, holder: PARTNER_ID };
  ours.tell('pppoe0', message('BACKUP', false, known));
  await says(NONE);
  t.strictSame(heard[0]?.snapshot, { ...known, generation: 4, facts: null });
  t.equal(heard[0]?.open, false);
});

t.test('legacy partner › SESSION_ID 0 ends a session of ours: it is no ignorance', async (t) => {
  const { ours, heard, says } = await pair(t);
  ours.tell('pppoe0', message('BACKUP', false, SNAPSHOT));
  await says(NONE);
  t.strictSame(heard[0]?.snapshot, {
    ...SNAPSHOT,
    epoch: 43,
    generation: 1,
    holder: PARTNER_ID,
    facts: null,
  });
});

t.test('legacy partner › a MASTER believes no record', async (t) => {
  const { ours, heard, says } = await pair(t);
  await says(RECORD);
  t.strictSame(
    ours.counters().datagramsRefused,
    { 'we-are-master': 1 },
    'nor one that says nothing yet',
  );
  ours.tell('pppoe0', message('MASTER', true, SNAPSHOT));
  await says(RECORD);
  t.equal(heard.length, 0);
});

t.test(
  'legacy partner › a holder says its record, answers the question, and says when it is gone',
  async (t) => {
    const { ours, says, hears } = await pair(t);
    ours.tell('pppoe0', message('MASTER', true, SNAPSHOT));
    t.strictSame(await hears(), RECORD);
    await says(QUERY);
    t.strictSame(await hears(), RECORD);
    ours.tell('pppoe0', message('MASTER', true, { ...SNAPSHOT, generation: 4, facts: null }));
    t.strictSame(await hears(), NONE);
    ours.tell('pppoe0', message('MASTER', true, { ...SNAPSHOT, generation: 4, facts: null }));
    await says(QUERY);
    ours.tell('pppoe0', message('MASTER', true, { ...SNAPSHOT, generation: 5 }));
    t.strictSame(await hears(), RECORD, 'nothing was said in between');
  },
);

t.test(
  'legacy partner › another port of the partner, and other octets, are not believed',
  async (t) => {
    const { ours, heard, says, port } = await pair(t);
    ours.tell('pppoe0', message('BACKUP', false, NO_SNAPSHOT));
    const other = createSocket('udp4');
    other.bind(0, '127.0.0.2');
    await once(other, 'listening');
    t.teardown(() => other.close());
    other.send(RECORD, port, '127.0.0.1');
    while (ours.refused()['stranger'] !== 1)
      await new Promise<void>((resolve) => setImmediate(resolve));
    await says(RECORD.subarray(0, 16));
    t.equal(heard.length, 0);
    t.strictSame(ours.counters().datagramsRefused, { malformed: 1 });
  },
);
