/**
 * Performs each request, after the checks that are common to all backends. It never waits.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { isHost } from '@ppp-thing/protocol/addresses';
import { FramingError } from '@ppp-thing/protocol/ipc/framing';
import {
  PROTOCOL_VERSION,
  type Failure,
  type Reply,
  type ReplyBody,
  type Request,
  type RequestBody,
} from '@ppp-thing/protocol/ipc/messages';
import { formatIpv6, networkOf } from '@ppp-thing/protocol/wire/ipv6';
import { ClaimPace } from './claim-pace.ts';
import { BackendError } from './errors.ts';
import type { Backend, SessionSettings } from './backend.ts';
import type { Demotions } from './demotion.ts';
import { isLive, mayOpen } from './interlock.ts';
import type { Lans } from './lan.ts';
import { SystemError } from './libc.ts';
import type { SessionPolicy } from './policy.ts';
import { NOTHING_ARMED, type HelperSession, type Sessions } from './sessions.ts';

export interface Requests {
  /** @param greeted  the supervisor has sent `hello`, which must come first. Throws FramingError to end the connection. */
  handle(request: Request, greeted: boolean): Reply;
}

type SessionRequest = Exclude<Request, { verb: 'hello' }>;

export function createRequests(
  platform: Backend['platform'],
  sessions: Sessions,
  demotions: Demotions,
  lans: Lans,
  now: () => number,
): Requests {
  const claims = new ClaimPace();
  const hello = (version: number): ReplyBody<'hello'> => {
    if (version !== PROTOCOL_VERSION)
      throw refusal('hello', 'helper', 'EPROTONOSUPPORT', `this helper speaks ${PROTOCOL_VERSION}`);
    const { pid } = process;
    return { version: PROTOCOL_VERSION, platform, pid, sessions: sessions.states(demotions) };
  };

  const find = (request: SessionRequest): HelperSession => {
    const session = sessions.find(request.session);
    if (session === undefined)
      throw refusal(
        request.verb,
        request.session,
        'ENXIO',
        'no such session in the helper’s configuration',
      );
    return session;
  };

  return {
    handle(request, greeted) {
      if (!greeted && request.verb !== 'hello') throw new FramingError('request before hello');
      const { id, verb } = request;
      try {
        if (request.verb === 'hello') return { id, done: hello(request.version) };
        return {
          id,
          done: perform({ sessions, demotions, lans, claims, now }, find(request), request),
        };
      } catch (error) {
        const subject = request.verb === 'hello' ? 'helper' : request.session;
        return { id, failed: failure(error, verb, subject) };
      }
    },
  };
}

/**
 * Whether a request needs the interlock's permission: those that send on the line, and those that would route this
 * router's own traffic into a session that it does not hold. Either router may use every other verb.
 */
const NEEDS_ROLE: {
  readonly [V in SessionRequest['verb']]: (
    request: Extract<SessionRequest, { verb: V }>,
  ) => boolean;
} = {
  'discovery-send': () => true,
  attach: () => false,
  gate: ({ open }) => open,
  'ppp-send': () => true,
  configure: ({ up }) => up,
  deconfigure: () => false,
  route: ({ via }) => via === 'session',
  announce: () => true,
  detach: () => false,
  // Both routers hold the LANs' addresses; a standby must not advertise them.
  delegate: () => false,
  demote: () => false,
  counters: () => false,
  // A MASTER has nothing to claim.
  claim: () => false,
};

function checkRole<V extends SessionRequest['verb']>(
  { policy, role }: HelperSession,
  request: Extract<SessionRequest, { verb: V }>,
): void {
  const needs: (asked: typeof request) => boolean = NEEDS_ROLE[request.verb as V];
  if (needs(request) && !mayOpen({ policy: policy.policy, role }))
    throw refusal(request.verb, policy.name, 'EPERM', `role ${role} under ${policy.policy}`);
}

interface Means {
  readonly sessions: Sessions;
  readonly demotions: Demotions;
  readonly lans: Lans;
  readonly claims: ClaimPace;
  readonly now: () => number;
}

function perform(
  means: Means,
  session: HelperSession,
  request: SessionRequest,
): ReplyBody<'counters'> | null {
  const { sessions, demotions, lans } = means;
  const { policy, verbs } = session;
  const { name } = policy;
  checkRole(session, request);
  switch (request.verb) {
    case 'discovery-send':
      checkDestination(request.verb, name, request.destination);
      verbs.sendDiscovery(request.destination, request.payload);
      return null;
    case 'attach':
      attach(session, request);
      return null;
    case 'gate':
      if (gate(session, request.open)) sessions.follow(session);
      return null;
    case 'ppp-send':
      if (!session.gateOpen) throw refusal(request.verb, name, 'ENETDOWN', 'the gate is closed');
      verbs.sendPpp(request.protocol, request.packet);
      return null;
    case 'configure':
      configure(session, request);
      return null;
    case 'deconfigure':
      verbs.deconfigure();
      session.settings = null;
      return null;
    case 'route':
      if (request.via === 'partner') checkPartnerRoute(session);
      sessions.setRoute(session, request.via);
      return null;
    case 'announce':
      verbs.announce({ epoch: request.epoch, proof: request.proof });
      return null;
    case 'detach':
      verbs.detach();
      Object.assign(session, { attached: null, gateOpen: false, ...NOTHING_ARMED });
      return null;
    case 'demote':
      demotions.set(session, request.on);
      return null;
    case 'delegate':
      delegate(lans, policy, request);
      return null;
    case 'counters':
      return verbs.counters();
    case 'claim':
      claim(means, session);
      return null;
    default: {
      const unreachable: never = request;
      return unreachable;
    }
  }
}

/** The largest prefix of a site (RFC 6177), unless the policy allows a larger one. */
const SHORTEST = 48;

/**
 * Sets the prefixes and addresses that the policy allows, and then refuses the others: a server may give a second prefix
 * that is not for us, and the LANs must not lose the first one to it.
 */
function delegate(
  lans: Lans,
  policy: SessionPolicy,
  request: Extract<Request, { verb: 'delegate' }>,
): void {
  const { delegation, name } = policy;
  const refused: BackendError[] = [];
  const isAllowed = (address: Uint8Array, part: Lifetimes, forbidden?: string): boolean => {
    const flaw = flawOf(address, part);
    const reason = flaw ?? forbidden;
    if (reason === undefined) return true;
    refused.push(refusal('delegate', name, flaw === undefined ? 'EPERM' : 'EINVAL', reason));
    return false;
  };
  const noAddress =
    delegation?.address === true ? undefined : 'an address, and wan_address is not "dhcp"';
  lans.set(policy, {
    prefixes: request.prefixes.filter((each) =>
      isAllowed(each.prefix, each, beyond(delegation, each)),
    ),
    addresses: request.addresses.filter((each) => isAllowed(each.address, each, noAddress)),
  });
  const [first] = refused;
  if (first !== undefined) throw first;
}

interface Lifetimes {
  readonly preferred: number;
  readonly valid: number;
}

/** Addresses of the Internet only (RFC 4291 §2.4, RFC 4193), for a time. */
function flawOf([first = 0]: Uint8Array, { preferred, valid }: Lifetimes): string | undefined {
  if ((first & 0xe0) !== 0x20 && (first & 0xfe) !== 0xfc) return 'not an address of the Internet';
  return preferred > valid || valid === 0
    ? `preferred ${preferred} s, valid ${valid} s`
    : undefined;
}

function attach(
  session: HelperSession,
  { key, maxPayload, autoOpen, settings }: Extract<Request, { verb: 'attach' }>,
): void {
  const { name } = session.policy;
  checkUnicast('attach', name, key.acMac);
  // 1492 is always allowed: PPPoE leaves that much of an Ethernet frame.
  const most = Math.max(1492, session.policy.mtu);
  if (maxPayload > most)
    throw refusal(
      'attach',
      name,
      'EINVAL',
      `maxPayload ${maxPayload}, at most ${most} by the policy`,
    );
  const armed = settings && settingsOf('attach', session.policy, settings);
  try {
    session.verbs.attach(key, maxPayload);
  } finally {
    // The same session keeps its gate. A different one is attached with its gate closed; if that fails, none is attached.
    const { attached, gateOpen } = session.verbs;
    Object.assign(session, { attached, gateOpen, autoOpen, settings: armed });
  }
}

/** CARP decides the role. A claim only makes it decide sooner, and the helper allows few claims. */
function claim({ claims, now }: Means, { policy, verbs, role, attached }: HelperSession): void {
  const { name, carp } = policy;
  const refuse = (code: string, reason: string): BackendError =>
    refusal('claim', name, code, reason);
  if (role === 'MASTER') return;
  if (policy.mayClaim !== true || policy.policy !== 'follow-carp')
    throw refuse('EPERM', 'fast_takeover_ms is not configured');
  if (verbs.claim === undefined || carp === undefined)
    throw refuse('EOPNOTSUPP', 'the role is another program’s');
  if (role !== 'BACKUP' || attached === null)
    throw refuse('EPERM', `role ${role}, ${attached === null ? 'nothing' : 'a session'} attached`);
  const { interface: line = '', vhid = '', address } = carp;
  if (!claims.mayClaim(`${vhid}@${line} ${address?.join('.') ?? ''}`, now()))
    throw refuse('EAGAIN', 'it was asked for not long ago');
  verbs.claim();
}

/** @returns whether the gate has moved */
function gate(session: HelperSession, open: boolean): boolean {
  const { policy } = session;
  if (open && session.attached === null)
    throw refusal('gate', policy.name, 'ENOTCONN', 'no session is attached');
  if (open === session.gateOpen) return false;
  session.verbs.gate(open);
  session.gateOpen = open;
  return true;
}

/** Refuses a route via the partner on a live router: the packets would come back (R13). */
function checkPartnerRoute({ policy, role, gateOpen }: HelperSession): void {
  const { name, partnerAddress, partnerAddress6 } = policy;
  if (partnerAddress === undefined && partnerAddress6 === undefined)
    throw refusal('route', name, 'EINVAL', 'the policy has no partner_address');
  if (isLive({ policy: policy.policy, role, open: gateOpen }))
    throw refusal('route', name, 'EPERM', `role ${role}, gate ${gateOpen ? 'open' : 'closed'}`);
}

function configure(session: HelperSession, request: Extract<Request, { verb: 'configure' }>): void {
  const { policy } = session;
  const settings = settingsOf('configure', policy, request);
  session.verbs.configure({ ...settings, up: request.up });
  session.settings = settings;
}

/** Checks an interface's settings against the policy: IPv4, IPv6 or both. */
function settingsOf(
  verb: string,
  policy: SessionPolicy,
  { mtu, ourAddress, theirAddress, interfaceIds }: Omit<RequestBody<'configure'>, 'session' | 'up'>,
): SessionSettings {
  const refuse = (reason: string): BackendError => refusal(verb, policy.name, 'EINVAL', reason);
  if (mtu > policy.mtu) throw refuse(`mtu ${mtu}, at most ${policy.mtu} by the policy`);
  if (ourAddress === null || theirAddress === null) {
    if (ourAddress !== theirAddress) throw refuse('one IPv4 address, expected two or none');
    if (interfaceIds === null) throw refuse('neither IPv4 nor IPv6');
    return { mtu, ourAddress: null, theirAddress: null, interfaceIds };
  }
  for (const address of [ourAddress, theirAddress]) {
    const reserved = [policy.localAddress, policy.partnerAddress, policy.carp?.address];
    if (!isHost(address) || reserved.some((own) => own !== undefined && sameOctets(own, address)))
      throw refuse(`address ${address.join('.')} cannot be a session's`);
  }
  return { mtu, ourAddress, theirAddress, interfaceIds };
}

/** Why the policy forbids a prefix; undefined if it allows it. */
function beyond(
  delegation: SessionPolicy['delegation'],
  { prefix, length }: RequestBody<'delegate'>['prefixes'][number],
): string | undefined {
  if (!delegation?.prefixes) return 'a prefix, and prefix_delegation is not true';
  const { within } = delegation.prefixes;
  const name = `${formatIpv6(networkOf(prefix, length))}/${length}`;
  if (within === undefined)
    return length < SHORTEST
      ? `${name} is shorter than /${SHORTEST}: set delegated_within`
      : undefined;
  const isWithin =
    length >= within.length && sameOctets(networkOf(prefix, within.length), within.prefix);
  return isWithin ? undefined : `${name} is not within delegated_within`;
}

const isGroup = (mac: Uint8Array): boolean => ((mac[0] ?? 1) & 1) === 1;
const isBroadcast = (mac: Uint8Array): boolean => mac.every((octet) => octet === 0xff);

function checkUnicast(verb: string, session: string, mac: Uint8Array): void {
  if (isGroup(mac)) throw refusal(verb, session, 'EINVAL', 'not a unicast MAC address');
}

/** Discovery goes to the AC, or to all of them. */
function checkDestination(verb: string, session: string, mac: Uint8Array): void {
  if (!isBroadcast(mac)) checkUnicast(verb, session, mac);
}

const refusal = (verb: string, subject: string, code: string, reason: string): BackendError =>
  new BackendError(verb, subject, code, reason);

/** Converts a refusal of the kernel or the policy to a reply. Throws any other error on: it is our own fault. */
function failure(error: unknown, verb: string, subject: string): Failure {
  if (error instanceof BackendError) {
    return {
      code: error.code.slice(0, 32),
      verb: error.verb.slice(0, 64),
      subject: error.subject.slice(0, 128),
      reason: error.reason.slice(0, 256),
    };
  }
  if (error instanceof SystemError) return { code: error.code, verb, subject, reason: error.call };
  throw error;
}
