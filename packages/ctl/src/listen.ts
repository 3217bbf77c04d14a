/** Where `web` listens: parses `ADDRESS:PORT`, and decides which Host headers are ours. It opens nothing. */
import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { CtlError, EXIT } from './client.ts';

export interface ListenAddress {
  /** `localhost` or a literal address, without brackets. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

export const DEFAULT_ADDRESS = '127.0.0.1:8808';
const MAX_PORT = 65535;

/** Parse `--listen`. Throws CtlError that names the fault. Host names are not resolved. */
export function addressOf(text: string): ListenAddress {
  const wrong = (reason: string): CtlError =>
    new CtlError(`web: --listen '${text}': ${reason}`, EXIT.usage);
  const [, bracketed, plain, digits] = /^(?:\[(.*)\]|(.*?))(?::([^:\]]*))?$/.exec(text) ?? [];
  if (isIPv6(text) || (plain !== undefined && plain.includes(':'))) {
    throw wrong('an IPv6 address is written in brackets, as in [::1]:8808');
  }
  const host = bracketed ?? plain ?? '';
  if (host === '') throw wrong('no address; 0.0.0.0 and [::] are every address of this router');
  if (bracketed !== undefined && !isIPv6(bracketed)) {
    throw wrong(`address '${bracketed}': expected an IPv6 address within the brackets`);
  }
  if (bracketed === undefined && isIP(host) !== 4 && host !== 'localhost') {
    const hint =
      /^\d+$/.test(host) && digits === undefined ? `; did you mean 127.0.0.1:${host}?` : '';
    throw wrong(`address '${host}': expected an IP address or localhost${hint}`);
  }
  if (digits === undefined) throw wrong('no port, as in 127.0.0.1:8808');
  if (!/^\d{1,5}$/.test(digits) || Number(digits) > MAX_PORT) {
    throw wrong(`port '${digits}': expected 0 to ${MAX_PORT}`);
  }
  return { host, port: Number(digits) };
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Only programs on this machine can reach the address. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || LOOPBACK.check(host, isIPv6(host) ? 'ipv6' : 'ipv4');

/** `http://127.0.0.1:8808/` */
export const urlOf = ({ host, port }: ListenAddress): string =>
  `http://${isIPv6(host) ? `[${host}]` : host}:${port}/`;

/**
 * The browser was given an address, not a name. A foreign page can make its own name resolve to this machine, and the
 * browser would then let it read ours; it cannot do that with an address. The port is ignored, so that a tunnel may end
 * at another one.
 */
export function isOurs(host: string | undefined): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::\d{1,5})?$/.exec(host ?? '') ?? [];
  if (bracketed !== undefined) return isIPv6(bracketed);
  return plain !== undefined && (plain.toLowerCase() === 'localhost' || isIP(plain) === 4);
}

/**
 * The request comes from another page than ours: from another site, or from another port of this machine. Programs
 * other than browsers send neither header. A typed address or a bookmark sends `none`.
 */
export function isForeign({ host, origin, ...headers }: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`;
}
