/** The two routers' configuration as an operator writes it, and both processes' readings of it. It reads no file. */
import { parsePolicy } from '@ppp-thing/helper/policy-file';
import type { HelperPolicy } from '@ppp-thing/helper/policy';
import { parseConfig, type Config } from '@ppp-thing/supervisor/config';
import { parseKeys, type Keys } from '@ppp-thing/supervisor/keys';
import { parseMac } from '@ppp-thing/protocol/wire/ethernet';
import type { RouterIndex } from '../campaign/faults.ts';

export const LINE = 'line0';
export const LAN = 'lan0';
export const VHID = 1;
export const AC_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0xac);
export const USER = 'line@example.net';
export const PASSWORD = 'not a secret';
const HELPER_SOCKET = '/var/run/ppp_thing_helper/helper.sock';
export const STATE = '/var/db/ppp_thing';
const HELPER_STATE = '/var/db/ppp_thing_helper';
export const UID = 1000;
export const OUR_DEMOTION = 240;
export const LAN_ADDRESS = ['192.168.7.2', '192.168.7.3'] as const;

export const sessionName = (session: number): string => `pppoe${session}`;
const macText = (session: number): string =>
  `02:00:5e:10:53:${String(session + 1).padStart(2, '0')}`;
export const sessionMac = (session: number): Uint8Array =>
  parseMac(macText(session)) ?? new Uint8Array(6);

export interface Setting {
  readonly sessions: number;
  readonly ipv6: boolean;
  readonly echoSeconds: number;
  readonly policy?: 'manual' | 'pinned';
  /** A prefix is asked for, for the LAN. */
  readonly delegating?: object;
}

export function configText(
  index: RouterIndex,
  { sessions, ipv6, echoSeconds, delegating, policy }: Setting,
): string {
  const other = 1 - index;
  const lines = [
    '[helper]',
    `socket = "${HELPER_SOCKET}"`,
    `state_directory = "${HELPER_STATE}"`,
    '[supervisor]',
    `state_directory = "${STATE}"`,
    'log_level = "debug"',
    '[partner]',
    `local_address = "10.99.0.${2 + index}"`,
    `address = "10.99.0.${2 + other}"`,
    'key_file = "/keys"',
    `router_id = ${1 + index}`,
    `partner_id = ${1 + other}`,
  ];
  for (let session = 0; session < sessions; session++)
    lines.push(
      `[session.${sessionName(session)}]`,
      `interface = "${LINE}"`,
      `mac = "${macText(session)}"`,
      `user = "${USER}"`,
      `password = "${PASSWORD}"`,
      `policy = "${policy ?? 'follow-carp'}"`,
      `carp_interface = "${LAN}"`,
      `carp_vhid = ${VHID}`,
      // Read on Linux too, where this runs.
      'carp_address = "192.168.7.1"',
      `local_address = "${LAN_ADDRESS[index]}"`,
      `partner_address = "${LAN_ADDRESS[other]}"`,
      // One session leads to the world; the others have routes of their own making.
      `default_route = ${session === 0}`,
      `ipv6 = ${ipv6}`,
      'dns = true',
      `echo_interval_seconds = ${echoSeconds}`,
      ...(delegating === undefined ? [] : delegated(session, index)),
    );
  return `${lines.join('\n')}\n`;
}

const delegated = (session: number, index: RouterIndex): readonly string[] => [
  'prefix_delegation = true',
  `[session.${sessionName(session)}.lan.${LAN}]`,
  `subnet = ${session}`,
  `host = "::${1 + index}"`,
];

export const supervisorConfig = (text: string): Config =>
  parseConfig(text, 'ppp_thing.conf', () => '');

export const helperPolicy = (text: string): HelperPolicy =>
  parsePolicy(text, 'ppp_thing.conf', {
    platform: 'freebsd',
    uid: 0,
  });

const key = (id: number): string => `${id} ${String(id % 10).repeat(64)}`;

/** A key file with these keys, sending with `active`. */
export const keys = (ids: readonly number[], active: number): Keys =>
  parseKeys(ids.map(key).join('\n'), '/keys', active);
