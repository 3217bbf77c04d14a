/** Being authenticated: the arithmetic against the RFCs' examples, and each exchange with what can go wrong in it. */
import t from 'tap';
import { toHex } from '@ppp-thing/protocol/bytes';
import type { Action } from '@ppp-thing/protocol/engine/events';
import { Authentication, type AuthSignal } from '@ppp-thing/protocol/engine/ppp/auth';
import { Secret } from '@ppp-thing/protocol/engine/hashes';
import { isProof, prove } from '@ppp-thing/protocol/engine/ppp/mschap';
import { concat, utf16le, utf8 } from '@ppp-thing/protocol/printable';
import { Timers } from '@ppp-thing/protocol/engine/timers';
import type { PppTimers } from '@ppp-thing/protocol/engine/ppp/waits';
import type { Method } from '@ppp-thing/protocol/engine/ppp/lcp-options';
import type { Instant } from '@ppp-thing/protocol/time';
import type { ChapPacket, PapPacket } from '@ppp-thing/protocol/wire/auth';
import { HASHES } from './hashes.ts';
import { counterRandom } from './link-pair.ts';
import { Recorder } from './recorder.ts';
import { at } from './scripted-ac.ts';

const PASSWORD = 'pässword €';
const octets = (hex: string): Uint8Array =>
  new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

/** RFC 2759 §9.2. */
const EXAMPLE = {
  authenticatorChallenge: octets('5B5D7C7D7B3F2F3E3C2C602132262628'),
  peerChallenge: octets('21402324255E262A28295F2B3A337C7E'),
  user: 'User',
  password: 'clientPass',
};

type AuthOutput = Action | AuthSignal;

/** An Authentication whose methods return what it wrote, then what it signalled. */
class Heard {
  readonly #recorder = new Recorder();
  readonly #timers: PppTimers = new Timers();
  readonly machine: Authentication;

  constructor(password = PASSWORD) {
    const credentials = { user: 'alice', password: new Secret(password) };
    this.machine = new Authentication({
      config: credentials,
      hashes: HASHES,
      random: counterRandom(),
      timers: this.#timers,
      out: this.#recorder.out,
    });
  }

  deadline(): Instant | undefined {
    return this.#timers.next();
  }

  start(method: Method, now: Instant): AuthOutput[] {
    this.machine.start(method, now);
    return this.#recorder.take();
  }

  expire(now: Instant): AuthOutput[] {
    return this.#recorder.take(this.machine.expire(now));
  }

  receivePap(packet: PapPacket): AuthOutput[] {
    return this.#recorder.take(this.machine.receivePap(packet));
  }

  receiveChap(packet: ChapPacket, now: Instant): AuthOutput[] {
    return this.#recorder.take(this.machine.receiveChap(packet, now));
  }
}

function setUp(method: Method, password = PASSWORD) {
  const auth = new Heard(password);
  const outputs = auth.start(method, at(0));
  return { auth, outputs };
}

const sent = (outputs: readonly AuthOutput[]) =>
  outputs.flatMap((output) =>
    output.kind === 'send-ppp' && 'packet' in output.packet ? [output.packet.packet] : [],
  );
const kinds = (outputs: readonly AuthOutput[]) =>
  outputs.map(({ kind }) => kind).filter((kind) => kind !== 'note');
const reasons = (outputs: readonly AuthOutput[]) =>
  outputs.flatMap((output) => (output.kind === 'failed' ? [output.reason] : []));

const challenge = (identifier: number, value: Uint8Array): ChapPacket => ({
  code: 'Challenge',
  identifier,
  value,
  name: utf8('bras'),
});
const VALUE = Uint8Array.from({ length: 16 }, (_, i) => i);

void t.test('hashes of the tests › MD4 is RFC 1320 §A.5’s', (t) => {
  t.equal(toHex(HASHES.md4(utf8(''))), '31d6cfe0d16ae931b73c59d7e0c089c0');
  t.equal(toHex(HASHES.md4(utf8('message digest'))), 'd9130a8164549fe818874806e1c7014b');
  t.equal(toHex(HASHES.md4(utf8('1234567890'.repeat(8)))), 'e33b4ddc9c38f2199c3e7b164fcc0536');
  t.end();
});

void t.test('MS-CHAPv2 › the example of RFC 2759 §9.2 comes out, step by step', (t) => {
  const { value, expected } = prove(EXAMPLE, HASHES);
  t.equal(toHex(HASHES.md4(utf16le(EXAMPLE.password))), '44ebba8d5312b8d611474411f56989ae');
  t.equal(value.length, 49);
  t.same(value.subarray(0, 16), EXAMPLE.peerChallenge);
  t.equal(toHex(value.subarray(24, 48)), '82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df');
  t.equal(toHex(expected), '407a5589115fd0d6209f510fe9c04566932cda56');
  t.ok(isProof(utf8('S=407A5589115FD0D6209F510FE9C04566932CDA56 M=hi'), expected));
  t.end();
});

void t.test(
  'MS-CHAPv2 › a domain before the user name does not enter the hash (RFC 2759 §4)',
  (t) => {
    t.same(prove({ ...EXAMPLE, user: 'BIGCO\\User' }, HASHES), prove(EXAMPLE, HASHES));
    t.end();
  },
);

void t.test('MS-CHAPv2 › a Success is no proof without the exact response (RFC 2759 §5)', (t) => {
  const { expected } = prove(EXAMPLE, HASHES);
  for (const wrong of [
    '',
    'S=',
    'M=welcome',
    'S=407A5589115FD0D6209F510FE9C04566932CDA57',
    'S=407A5589115FD0D6209F510FE9C04566932CDA5',
    's=407A5589115FD0D6209F510FE9C04566932CDA56',
    'S=zz7A5589115FD0D6209F510FE9C04566932CDA56',
  ])
    t.notOk(isProof(utf8(wrong), expected), wrong);
  t.end();
});

void t.test(
  'PAP › the request carries user and password in UTF-8 and is repeated until answered (RFC 1334)',
  (t) => {
    const { auth, outputs } = setUp('PAP');
    const [first] = sent(outputs);
    t.match(first, {
      code: 'Authenticate-Request',
      peerId: utf8('alice'),
      password: utf8(PASSWORD),
    });
    const [second] = sent(auth.expire(at(auth.deadline() ?? NaN)));
    t.not(second?.identifier, first?.identifier);
    const ack = auth.receivePap({
      code: 'Authenticate-Ack',
      identifier: first?.identifier ?? 0,
      message: utf8('hi'),
    });
    t.same(kinds(ack), ['passed'], 'a late answer to the first counts');
    t.equal(auth.deadline(), undefined);
    t.end();
  },
);

void t.test('PAP › an AC that never answers is given up after ten requests', (t) => {
  const { auth } = setUp('PAP');
  const all: AuthOutput[] = [];
  for (let i = 0; i < 20 && auth.deadline() !== undefined; i++)
    all.push(...auth.expire(at(auth.deadline() ?? NaN)));
  t.equal(sent(all).length, 9);
  t.match(reasons(all), [/did not answer the PAP of alice/]);
  t.end();
});

void t.test(
  'PAP › a Nak is one line with the user and the AC’s words, escaped, and no password',
  (t) => {
    const { auth, outputs } = setUp('PAP', 'hunter2');
    const identifier = sent(outputs)[0]?.identifier ?? 0;
    const message = utf8('bad\npassword\u001b[31m');
    const nak = auth.receivePap({ code: 'Authenticate-Nak', identifier, message });
    t.same(reasons(nak), [
      'the AC refused user alice: PAP Authenticate-Nak: bad\\x0apassword\\x1b[31m',
    ]);
    t.equal(
      nak.filter((output) => output.kind === 'note' && output.note.level === 'error').length,
      1,
    );
    t.notMatch(
      JSON.stringify([...outputs, ...nak].filter(({ kind }) => kind === 'note')),
      /hunter2/,
    );
    t.end();
  },
);

const warnings = (outputs: readonly AuthOutput[]) =>
  outputs.flatMap((o) => (o.kind === 'note' && o.note.level === 'warn' ? [o.note.on] : []));

void t.test('PAP › a verdict counts whatever its Identifier, and one line says so', (t) => {
  const message = utf8('');
  const ack = setUp('PAP').auth.receivePap({ code: 'Authenticate-Ack', identifier: 77, message });
  t.same(kinds(ack), ['passed']);
  t.match(warnings(ack), [/^PAP Authenticate-Ack with another Identifier/]);
  const nak = setUp('PAP').auth.receivePap({ code: 'Authenticate-Nak', identifier: 0, message });
  t.match(reasons(nak), [/^the AC refused user alice/]);
  t.end();
});

void t.test('PAP › what was not asked for is ignored', (t) => {
  const { auth, outputs } = setUp('PAP');
  const identifier = (sent(outputs)[0]?.identifier ?? 0) + 1;
  const message = utf8('');
  const request = {
    code: 'Authenticate-Request',
    identifier,
    peerId: VALUE,
    password: VALUE,
  } as const;
  t.same(kinds(auth.receivePap(request)), []);
  const chap = setUp('CHAP-MD5').auth;
  t.same(kinds(chap.receivePap({ code: 'Authenticate-Ack', identifier: 1, message })), []);
  const passed = setUp('PAP').auth;
  passed.receivePap({ code: 'Authenticate-Ack', identifier: 1, message });
  for (const code of ['Authenticate-Ack', 'Authenticate-Nak'] as const)
    t.same(kinds(passed.receivePap({ code, identifier: 1, message })), [], 'a second verdict');
  t.end();
});

void t.test(
  'CHAP › the Response is MD5 over Identifier, secret and Challenge, under the Challenge’s Identifier (RFC 1994 §4.1)',
  (t) => {
    const { auth, outputs } = setUp('CHAP-MD5');
    t.same(sent(outputs), [], 'the AC speaks first');
    const [response] = sent(auth.receiveChap(challenge(42, VALUE), at(1)));
    const value = HASHES.md5(concat(Uint8Array.of(42), utf8(PASSWORD), VALUE));
    t.match(response, { code: 'Response', identifier: 42, value, name: utf8('alice') });
    const success = auth.receiveChap({ code: 'Success', identifier: 42, message: utf8('') }, at(2));
    t.same(kinds(success), ['passed']);
    t.end();
  },
);

void t.test('CHAP › the Response is repeated while no Success comes (RFC 1994 §4.1)', (t) => {
  const { auth } = setUp('CHAP-MD5');
  const [first] = sent(auth.receiveChap(challenge(1, VALUE), at(0)));
  const [again] = sent(auth.expire(at(auth.deadline() ?? NaN)));
  t.same(again, first);
  t.end();
});

void t.test('CHAP › a Success or Failure that answers nothing is ignored', (t) => {
  const { auth } = setUp('CHAP-MD5');
  const message = utf8('welcome');
  for (const code of ['Success', 'Failure'] as const)
    t.same(
      kinds(auth.receiveChap({ code, identifier: 0, message }, at(0))),
      [],
      'before any Challenge',
    );
  auth.receiveChap(challenge(1, VALUE), at(0));
  t.same(kinds(auth.receiveChap({ code: 'Success', identifier: 1, message }, at(1))), ['passed']);
  t.same(
    kinds(auth.receiveChap({ code: 'Failure', identifier: 1, message }, at(1))),
    [],
    'a second answer',
  );
  t.end();
});

void t.test('CHAP › a verdict counts whatever its Identifier, and one line says so', (t) => {
  const message = utf8('welcome');
  const { auth } = setUp('CHAP-MD5');
  auth.receiveChap(challenge(1, VALUE), at(0));
  const success = auth.receiveChap({ code: 'Success', identifier: 2, message }, at(1));
  t.same(kinds(success), ['passed']);
  t.match(warnings(success), [/^CHAP Success with another Identifier/]);
  for (let i = 2; i < 50; i++) {
    auth.receiveChap(challenge(i, VALUE), at(i));
    t.same(warnings(auth.receiveChap({ code: 'Success', identifier: 0, message }, at(i))), []);
  }
  const refused = setUp('MS-CHAPv2').auth;
  refused.receiveChap(challenge(1, VALUE), at(0));
  t.match(reasons(refused.receiveChap({ code: 'Failure', identifier: 0, message }, at(1))), [
    /refused user alice: CHAP Failure/,
  ]);
  t.end();
});

void t.test('CHAP › a verdict on a Challenge that another one has replaced comes too late', (t) => {
  for (const method of ['CHAP-MD5', 'MS-CHAPv2'] as const)
    for (const code of ['Success', 'Failure'] as const) {
      const { auth } = setUp(method);
      auth.receiveChap(challenge(1, VALUE), at(0));
      auth.receiveChap(challenge(2, VALUE), at(3000));
      t.same(kinds(auth.receiveChap({ code, identifier: 1, message: VALUE }, at(3001))), []);
    }
  t.end();
});

void t.test('CHAP › a Challenge of a size that cannot be is ignored', (t) => {
  const md5 = setUp('CHAP-MD5').auth;
  t.same(sent(md5.receiveChap(challenge(1, new Uint8Array(0)), at(0))), []);
  const ms = setUp('MS-CHAPv2').auth;
  for (const length of [0, 8, 15, 17, 255])
    t.same(sent(ms.receiveChap(challenge(1, new Uint8Array(length)), at(0))), []);
  t.equal(sent(ms.receiveChap(challenge(1, VALUE), at(0))).length, 1);
  t.end();
});

void t.test(
  'CHAP › a Challenge is answered at any time, also in a session that was resumed',
  (t) => {
    for (const method of ['CHAP-MD5', 'MS-CHAPv2'] as const) {
      const auth = new Heard();
      auth.machine.resume(method);
      t.equal(sent(auth.receiveChap(challenge(5, VALUE), at(0))).length, 1);
      t.equal(auth.deadline(), undefined, 'the AC asks again if it must');
      const failure = { code: 'Failure', identifier: 5, message: utf8('E=691 R=0') } as const;
      t.same(kinds(auth.receiveChap(failure, at(1))), ['failed']);
    }
    const pap = new Heard();
    pap.machine.resume('PAP');
    t.same(
      sent(pap.receiveChap(challenge(5, VALUE), at(0))),
      [],
      'never CHAP where PAP was agreed',
    );
    t.end();
  },
);

void t.test(
  'MS-CHAPv2 › a repeated Challenge gets the same Response, a new one a new peer challenge',
  (t) => {
    const { auth } = setUp('MS-CHAPv2');
    const [a] = sent(auth.receiveChap(challenge(1, VALUE), at(0)));
    const [b] = sent(auth.receiveChap(challenge(1, VALUE), at(1)));
    const [c] = sent(auth.receiveChap(challenge(2, VALUE), at(2)));
    t.same(a, b);
    t.notSame(a, { ...c, identifier: 1 });
    t.end();
  },
);

void t.test(
  'MS-CHAPv2 › a Success without proof ends in failure: the AC does not know the password',
  (t) => {
    for (const message of ['', 'welcome', 'S=407A5589115FD0D6209F510FE9C04566932CDA56']) {
      const { auth } = setUp('MS-CHAPv2');
      auth.receiveChap(challenge(1, VALUE), at(0));
      const outputs = auth.receiveChap(
        { code: 'Success', identifier: 1, message: utf8(message) },
        at(1),
      );
      t.match(reasons(outputs), [/did not prove/]);
      t.equal(auth.deadline(), undefined);
    }
    t.end();
  },
);

void t.test('MS-CHAPv2 › E=691 is explained, and no other password is tried (RFC 2759 §6)', (t) => {
  const { auth } = setUp('MS-CHAPv2');
  auth.receiveChap(challenge(1, VALUE), at(0));
  const message = utf8('E=691 R=1 C=000102030405060708090A0B0C0D0E0F V=3 M=denied');
  const outputs = auth.receiveChap({ code: 'Failure', identifier: 1, message }, at(1));
  t.match(reasons(outputs), [
    /refused user alice: CHAP Failure: wrong user name or password \(E=691 R=1/,
  ]);
  t.same(sent(auth.receiveChap(challenge(2, VALUE), at(2))), [], 'nothing more is answered');
  t.end();
});
