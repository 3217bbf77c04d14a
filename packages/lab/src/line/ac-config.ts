/** What an Access Concentrator of the lab is: its names, users and addresses, and the temper it was born with. */
import type { Hashes, Random } from '@ppp-thing/protocol/engine/hashes';
import { millis, type Millis } from '@ppp-thing/protocol/time';
import type { AcAuth } from './ac-auth.ts';
import type { EchoConfig } from './ac-keepalive.ts';

/** How it treats its clients. It can be changed while it runs. */
export interface Temper {
  /** What a second session of the same MAC address or user gets while the first lives. */
  readonly second: 'deny' | 'replace' | 'allow';
  /** Silence towards a client after a session of less than a minute, doubling each time; 0: never. Milliseconds. */
  readonly lockoutMs: number;
  /** Added to everything it sends. Milliseconds. */
  readonly slowMs: number;
  /** It answers PADI. */
  readonly offers: boolean;
  /** What a frame of a session it does not know gets. */
  readonly unknown: 'padt' | 'ignore';
  /** It answers Echo-Requests. Some do not, and forward data all the same. */
  readonly answersEcho: boolean;
  /** It has IPv4. An AC without it rejects IPCP, and a session carries data once IPV6CP is open. */
  readonly ipv4: boolean;
  /** The share of what it sends that is lost, 0 … 1, and whether the rest arrives twice. */
  readonly loss: number;
  readonly doubled: boolean;
}

export const PATIENT: Temper = {
  second: 'deny',
  lockoutMs: 0,
  slowMs: 0,
  offers: true,
  unknown: 'padt',
  answersEcho: true,
  ipv4: true,
  loss: 0,
  doubled: false,
};

export interface AcConfig {
  readonly mac: Uint8Array;
  readonly name: string;
  /** Service names; '' is any. */
  readonly services: readonly string[];
  readonly auth: AcAuth;
  readonly passwords: ReadonlyMap<string, string>;
  /** Its end of the link; undefined: it names none, and IPCP has no address of its own. */
  readonly address: Uint8Array | undefined;
  /** What clients get, in order. */
  readonly pool: readonly Uint8Array[];
  readonly dns: readonly Uint8Array[];
  readonly ipv6: boolean;
  /** Largest PPP packet it takes (RFC 4638); 1492: it does not know that tag. */
  readonly maxPayload: number;
  readonly echo: EchoConfig;
  /**
   * From its PADS to its first Configure-Request, unless the client speaks first. An AC that begins at once may do so
   * before the client's kernel knows the session, and then begins again after `restart`.
   */
  readonly pppDelay: Millis;
  /** Between its Configure-Requests. */
  readonly restart: Millis;
  readonly hashes: Hashes;
  readonly random: Random;
  readonly temper: Temper;
}

/** RFC 1661 §4.6. */
export const RESTART = millis(3000);

/** What most ACs of the lab have in common: one service, CHAP, no IPv6, and a minute of patience with a silent Host. */
export const ORDINARY = {
  services: [''],
  auth: 'CHAP-MD5',
  dns: [],
  ipv6: false,
  maxPayload: 1492,
  echo: { interval: millis(10_000), failures: 6, dataCheck: false },
  pppDelay: millis(100),
  restart: RESTART,
  temper: PATIENT,
} as const satisfies Partial<AcConfig>;
