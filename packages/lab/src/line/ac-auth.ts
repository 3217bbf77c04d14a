/**
 * The authenticator's end of PAP, CHAP-MD5 and MS-CHAPv2: challenge, and judge the answer. Who the users are comes in;
 * what follows from a verdict is the session's business.
 */
import { concat, utf8 } from '@ppp-thing/protocol/printable';
import { sameOctets, toHex } from '@ppp-thing/protocol/bytes';
import type { Hashes, Random } from '@ppp-thing/protocol/engine/hashes';
import { prove } from '@ppp-thing/protocol/engine/ppp/mschap';
import type { ChapPacket, PapPacket } from '@ppp-thing/protocol/wire/auth';
import type { PppPacket } from '@ppp-thing/protocol/wire/ppp';

export type AcAuth = 'PAP' | 'CHAP-MD5' | 'MS-CHAPv2' | 'none';

export interface AuthResult {
  readonly send: readonly PppPacket[];
  /** Undefined: nothing was decided. */
  readonly verdict?: { readonly user: string; readonly accepted: boolean };
}

const CHALLENGE_LENGTH = 16;
const RESPONSE_LENGTH = 49;
const NOTHING: AuthResult = { send: [] };

interface AuthenticatorConfig {
  readonly method: AcAuth;
  readonly name: string;
  readonly passwords: ReadonlyMap<string, string>;
  readonly hashes: Hashes;
  readonly random: Random;
  /** Whether a user who knows the password may come in now. */
  readonly admits: (user: string) => boolean;
}

export class Authenticator {
  readonly #config: AuthenticatorConfig;
  #identifier = 0;
  #challenge: Uint8Array | undefined;

  constructor(config: AuthenticatorConfig) {
    this.#config = config;
  }

  /** Challenge, or challenge again: CHAP may at any time (RFC 1994 §2). PAP waits to be told. */
  challenge(): PppPacket[] {
    if (this.#config.method === 'PAP' || this.#config.method === 'none') return [];
    this.#identifier = (this.#identifier + 1) & 0xff;
    this.#challenge = this.#config.random(CHALLENGE_LENGTH);
    return this.repeat();
  }

  /** The challenge that stands, unchanged, as after a loss. */
  repeat(): PppPacket[] {
    if (this.#challenge === undefined) return [];
    const packet: ChapPacket = {
      code: 'Challenge',
      identifier: this.#identifier,
      value: this.#challenge,
      name: utf8(this.#config.name),
    };
    return [{ protocol: 'CHAP', packet }];
  }

  pap(packet: PapPacket): AuthResult {
    if (packet.code !== 'Authenticate-Request' || this.#config.method !== 'PAP') return NOTHING;
    const user = textOf(packet.peerId);
    const accepted = this.#passes(
      user,
      this.#config.passwords.get(user) === textOf(packet.password),
    );
    const code = accepted ? 'Authenticate-Ack' : 'Authenticate-Nak';
    const message = utf8(accepted ? 'welcome' : 'authentication failed');
    const answer: PapPacket = { code, identifier: packet.identifier, message };
    return { send: [{ protocol: 'PAP', packet: answer }], verdict: { user, accepted } };
  }

  chap(packet: ChapPacket): AuthResult {
    const challenge = this.#challenge;
    if (packet.code !== 'Response' || packet.identifier !== this.#identifier) return NOTHING;
    if (challenge === undefined) return NOTHING;
    this.#challenge = undefined;
    const user = textOf(packet.name);
    const password = this.#config.passwords.get(user);
    const proof =
      password === undefined
        ? undefined
        : this.#config.method === 'CHAP-MD5'
          ? this.#md5(packet, challenge, password)
          : this.#msChap(packet, challenge, user, password);
    const accepted = this.#passes(user, proof !== undefined);
    const answer: ChapPacket = {
      code: accepted ? 'Success' : 'Failure',
      identifier: packet.identifier,
      message: utf8(accepted ? (proof ?? '') : this.#refusal()),
    };
    return { send: [{ protocol: 'CHAP', packet: answer }], verdict: { user, accepted } };
  }

  #passes(user: string, isProven: boolean): boolean {
    return isProven && this.#config.admits(user);
  }

  #refusal(): string {
    return this.#config.method === 'MS-CHAPv2'
      ? `E=691 R=0 C=${'0'.repeat(2 * CHALLENGE_LENGTH)} V=3 M=authentication failed`
      : 'authentication failed';
  }

  /** RFC 1994 §4.1. The text of a Success, or undefined if the value is wrong. */
  #md5(packet: ChapPacket, challenge: Uint8Array, password: string): string | undefined {
    if (!('value' in packet)) return undefined;
    const expected = this.#config.hashes.md5(
      concat(Uint8Array.of(packet.identifier), utf8(password), challenge),
    );
    return sameOctets(expected, packet.value) ? 'welcome' : undefined;
  }

  /** RFC 2759 §4, §5: the same arithmetic as the peer's, with the challenge that it chose. */
  #msChap(
    packet: ChapPacket,
    authenticatorChallenge: Uint8Array,
    user: string,
    password: string,
  ): string | undefined {
    if (!('value' in packet) || packet.value.length !== RESPONSE_LENGTH) return undefined;
    const peerChallenge = packet.value.slice(0, CHALLENGE_LENGTH);
    const inputs = { authenticatorChallenge, peerChallenge, user, password };
    const { value, expected } = prove(inputs, this.#config.hashes);
    if (!sameOctets(value, packet.value)) return undefined;
    return `S=${toHex(expected).toUpperCase()} M=welcome`;
  }
}

/** The characters with these codes: names here are ASCII. */
const textOf = (octets: Uint8Array): string => String.fromCharCode(...octets);
