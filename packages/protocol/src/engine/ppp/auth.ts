/**
 * Being authenticated by the AC: PAP (RFC 1334), CHAP with MD5 (RFC 1994) and MS-CHAPv2 (RFC 2759). We never
 * authenticate the AC, except that MS-CHAPv2 makes it prove that it knows the password. The password enters no note.
 */
import { after, type Instant } from '../../time.ts';
import { sameOctets } from '../../bytes.ts';
import { concat, printable, utf8 } from '../../printable.ts';
import type { ChapPacket, PapPacket } from '../../wire/auth.ts';
import { logTo, type Log, type Out } from '../out.ts';
import type { Hashes, Random, Secret } from '../hashes.ts';
import type { Method } from './lcp-options.ts';
import { CHALLENGE_LENGTH, isProof, prove } from './mschap.ts';
import type { PppShared } from './shared.ts';
import { PPP_WAITS, type PppTimers } from './waits.ts';

export type AuthSignal =
  /** The AC accepted us for the first time in this phase. */
  | { readonly kind: 'passed'; readonly on: string }
  /** The AC refused us, or could not prove itself; `reason` names the user and quotes the AC, escaped. */
  | { readonly kind: 'failed'; readonly reason: string };

interface Credentials {
  readonly user: string;
  readonly password: Secret;
}

/** RFC 1994 §4.1 leaves it to the implementation. A slow RADIUS server must not get a flood. */
const MAX_TRANSMISSIONS = 10;

type ChapChallenge = Extract<ChapPacket, { readonly value: Uint8Array }>;
type State = 'Idle' | 'Waiting' | 'Passed' | 'Failed';

/** Our last Response: a repeated Challenge gets the same one, and a Success is checked against it. */
interface Answered {
  readonly challenge: ChapChallenge;
  readonly response: ChapPacket;
  /** MS-CHAPv2's authenticator response; CHAP with MD5 has none. */
  readonly expected: Uint8Array | undefined;
  isOutstanding: boolean;
}

export class Authentication {
  readonly #out: Out;
  readonly #log: Log;
  readonly #credentials: Credentials;
  readonly #hashes: Hashes;
  readonly #random: Random;
  readonly #timers: PppTimers;
  #method: Method | 'none' = 'none';
  #state: State = 'Idle';
  #transmissions = 0;
  #identifier = 0;
  /** Identifiers of the Authenticate-Requests of this phase: an answer to an earlier one is as good as one to the last. */
  #asked: number[] = [];
  #answered: Answered | undefined;
  /** Identifiers of Challenges of this phase that another one has replaced: an answer with one of them comes late. */
  readonly #replaced = new Set<number>();
  /** The log has a line about verdicts of the AC with a wrong Identifier. */
  #isOddSaid = false;
  #trouble: string | undefined;

  constructor(shared: Omit<PppShared, 'config' | 'restartTimer'> & { config: Credentials }) {
    const { config: credentials, hashes, random, timers, out } = shared;
    this.#out = out;
    this.#log = logTo(out, 'auth', () => this.#state);
    this.#credentials = credentials;
    this.#hashes = hashes;
    this.#random = random;
    this.#timers = timers;
  }

  /** Why nothing was sent yet, for people. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** The Authentication phase begins: PAP speaks first, in CHAP the AC does. */
  start(method: Method, now: Instant): void {
    this.stop();
    this.#method = method;
    this.#state = 'Waiting';
    if (method === 'PAP') this.#askPap(now);
  }

  /** The session was authenticated by the partner, or by us before a restart: only answer Challenges. */
  resume(method: Method | 'none'): void {
    this.stop();
    this.#method = method;
    this.#state = 'Passed';
  }

  /** LCP went down. */
  stop(): void {
    this.#method = 'none';
    this.#state = 'Idle';
    this.#timers.clear('auth');
    this.#transmissions = 0;
    this.#asked = [];
    this.#answered = undefined;
    this.#replaced.clear();
    this.#trouble = undefined;
  }

  expire(now: Instant): AuthSignal | undefined {
    if (!this.#timers.isDue('auth', now)) return undefined;
    if (this.#transmissions >= MAX_TRANSMISSIONS) return this.#end(this.#unanswered);
    if (this.#method === 'PAP') this.#askPap(now);
    // RFC 1994 §4.1: a Success may be lost, so the Response is repeated until one comes.
    else if (this.#answered !== undefined) this.#respond(this.#answered, 'retry', now);
    return undefined;
  }

  get #unanswered(): string {
    const words = this.#trouble === undefined ? '' : `: ${this.#trouble}`;
    return `the AC did not answer the ${this.#method} of ${this.#who()}${words}`;
  }

  receivePap(packet: PapPacket): AuthSignal | undefined {
    const { code, identifier } = packet;
    const isWanted = this.#method === 'PAP' && this.#state === 'Waiting';
    if (code === 'Authenticate-Request' || !isWanted)
      return this.#ignore(`PAP ${code}`, identifier);
    if (!this.#asked.includes(identifier)) this.#sayOdd(`PAP ${code}`, identifier);
    return code === 'Authenticate-Ack'
      ? this.#pass('PAP Authenticate-Ack', packet.message)
      : this.#fail('PAP Authenticate-Nak', packet.message);
  }

  receiveChap(packet: ChapPacket, now: Instant): AuthSignal | undefined {
    const { identifier } = packet;
    const isChap = this.#method === 'CHAP-MD5' || this.#method === 'MS-CHAPv2';
    if (this.#method === 'PAP' && packet.code === 'Challenge') this.#trouble = 'it asks by CHAP';
    if (!isChap || this.#state === 'Failed' || packet.code === 'Response')
      return this.#ignore(`CHAP ${packet.code}`, identifier);
    if ('value' in packet) return this.#challenged(packet, now);
    const answered = this.#answered;
    const isRight = answered?.challenge.identifier === identifier;
    const isLate = !isRight && this.#replaced.has(identifier);
    if (answered?.isOutstanding !== true || isLate)
      return this.#ignore(`unrequested CHAP ${packet.code}`, identifier);
    if (!isRight) this.#sayOdd(`CHAP ${packet.code}`, identifier);
    answered.isOutstanding = false;
    if (packet.code === 'Failure') return this.#fail('CHAP Failure', packet.message);
    if (answered.expected !== undefined && !isProof(packet.message, answered.expected)) {
      const signal = this.#end(`the AC did not prove that it knows the password of ${this.#who()}`);
      this.#log('error', 'CHAP Success without proof', { user: this.#who() });
      return signal;
    }
    return this.#pass('CHAP Success', packet.message);
  }

  /**
   * Both RFCs ask for the Identifier of what is answered, and some ACs send another. Such a verdict counts, as it does with
   * pppd: it is in our session and from our AC, and a verdict is outstanding. Who can forge that can see the Identifier.
   */
  #sayOdd(on: string, identifier: number): void {
    const level = this.#isOddSaid ? 'debug' : 'warn';
    this.#isOddSaid = true;
    this.#log(level, `${on} with another Identifier than asked`, { id: identifier });
  }

  #ignore(what: string, identifier: number): undefined {
    this.#log('debug', `ignored ${what}`, { id: identifier });
  }

  #askPap(now: Instant): void {
    const { user, password } = this.#credentials;
    this.#identifier = (this.#identifier + 1) & 0xff;
    this.#asked.push(this.#identifier);
    this.#transmitted(now);
    const packet: PapPacket = {
      code: 'Authenticate-Request',
      identifier: this.#identifier,
      peerId: utf8(user),
      password: utf8(password.reveal()),
    };
    const actions = ['send Authenticate-Request'];
    this.#log('debug', 'Authenticate', { id: this.#identifier }, { actions });
    this.#out({ kind: 'send-ppp', packet: { protocol: 'PAP', packet } });
  }

  /** A Challenge may come at any time (RFC 1994 §2), also from an AC that never saw this router before. */
  #challenged(packet: ChapChallenge, now: Instant): undefined {
    const { identifier, value } = packet;
    const isSized =
      this.#method === 'MS-CHAPv2' ? value.length === CHALLENGE_LENGTH : value.length > 0;
    if (!isSized || value.length > 0xff) {
      const level = this.#trouble === undefined ? 'warn' : 'debug';
      const wanted = this.#method === 'MS-CHAPv2' ? `${CHALLENGE_LENGTH}` : '1 to 255';
      this.#trouble = `the AC’s Challenge has ${value.length} octets, and ${this.#method} needs ${wanted}`;
      return void this.#log(level, 'ignored CHAP Challenge', { valueSize: value.length });
    }
    this.#trouble = undefined;
    const last = this.#answered?.challenge;
    const isRepeated = last?.identifier === identifier && sameOctets(last.value, value);
    if (!isRepeated || this.#answered === undefined) {
      this.#transmissions = 0;
      if (last !== undefined) this.#replaced.add(last.identifier);
      this.#answered = this.#answer(packet);
    }
    this.#answered.isOutstanding = true;
    this.#respond(this.#answered, 'CHAP Challenge', now);
  }

  #answer(packet: ChapChallenge): Answered {
    const { identifier } = packet;
    const { user } = this.#credentials;
    const password = this.#credentials.password.reveal();
    const name = utf8(user);
    if (this.#method === 'MS-CHAPv2') {
      const peerChallenge = this.#random(CHALLENGE_LENGTH);
      const inputs = { authenticatorChallenge: packet.value, peerChallenge, user, password };
      const { value, expected } = prove(inputs, this.#hashes);
      const response: ChapPacket = { code: 'Response', identifier, value, name };
      return { challenge: packet, response, expected, isOutstanding: true };
    }
    // RFC 1994 §4.1: the one-way hash of Identifier, secret and Challenge.
    const value = this.#hashes.md5(concat(Uint8Array.of(identifier), utf8(password), packet.value));
    const response: ChapPacket = { code: 'Response', identifier, value, name };
    return { challenge: packet, response, expected: undefined, isOutstanding: true };
  }

  #respond({ response }: Answered, on: string, now: Instant): void {
    // Once we have passed, the AC repeats its Challenge if it misses the Response; nothing waits for its Success.
    if (this.#state === 'Waiting') this.#transmitted(now);
    this.#log('debug', on, { id: response.identifier }, { actions: ['send Response'] });
    this.#out({ kind: 'send-ppp', packet: { protocol: 'CHAP', packet: response } });
  }

  #transmitted(now: Instant): void {
    this.#transmissions += 1;
    this.#timers.set('auth', after(now, PPP_WAITS.auth));
  }

  #pass(on: string, message: Uint8Array): AuthSignal | undefined {
    const isFirst = this.#state === 'Waiting';
    this.#state = 'Passed';
    this.#timers.clear('auth');
    this.#log('debug', on, { message: printable(message) });
    return isFirst ? { kind: 'passed', on } : undefined;
  }

  #fail(on: string, message: Uint8Array): AuthSignal {
    const words = describe(message);
    const signal = this.#end(
      `the AC refused user ${this.#who()}: ${on}${words === '' ? '' : `: ${words}`}`,
    );
    this.#log('error', on, { user: this.#who(), message: words });
    return signal;
  }

  #end(reason: string): AuthSignal {
    this.#state = 'Failed';
    this.#timers.clear('auth');
    return { kind: 'failed', reason };
  }

  #who(): string {
    return printable(utf8(this.#credentials.user));
  }
}

/** RFC 2759 §6: the numbers of a Failure message in words, for the log. */
const FAILURES: Readonly<Record<string, string>> = {
  646: 'the account is restricted at this hour',
  647: 'the account is disabled',
  648: 'the password has expired',
  649: 'the account may not dial in',
  691: 'wrong user name or password',
  709: 'the password could not be changed',
};

function describe(message: Uint8Array): string {
  const text = printable(message);
  const meaning = FAILURES[/^E=(\d+)/.exec(text)?.[1] ?? ''];
  return meaning === undefined ? text : `${meaning} (${text})`;
}
