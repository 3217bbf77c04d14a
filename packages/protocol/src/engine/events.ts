/**
 * The engine's vocabulary: every event it can receive, and every action it can request. Read this file as the
 * architecture. Everything is plain data; the supervisor performs the actions in order before the next event.
 */
import type { Instant } from '../time.ts';
import type { Lease, LeasedAddress, LeasedPrefix } from '../lease.ts';
import type { Dhcp6Message } from '../wire/dhcpv6.ts';
import type { MacAddress } from '../wire/ethernet.ts';
import type { DiscoveryPacket } from '../wire/pppoe.ts';
import type { PppPacket } from '../wire/ppp.ts';
import type { InterfaceId } from '../wire/ncp.ts';
import type { Ipv4Ends, PartnerMessage, Role, SessionKey, Snapshot } from '../session.ts';

/** The kernel's state of one session, as the helper reports it in `hello`. */
export interface HelperState {
  readonly role: Role;
  readonly carrier: boolean;
  /** The session joined to the interface, if one is. */
  readonly attached: SessionKey | null;
  readonly gateOpen: boolean;
  /** Whether our CARP demotion amount is in force. */
  readonly demoted: boolean;
}

export type AdminVerb = 'connect' | 'disconnect' | 'reconnect' | 'handoff';

export type Event =
  /** A Discovery Stage packet addressed to our MAC or broadcast, from `source`. */
  | { readonly kind: 'discovery'; readonly source: MacAddress; readonly packet: DiscoveryPacket }
  /** A control packet of the session. `crossed`: it arrived before our last packet had left. */
  | { readonly kind: 'ppp'; readonly packet: PppPacket; readonly crossed?: boolean }
  /** A DHCPv6 server's answer, from the session's interface. */
  | { readonly kind: 'dhcp6'; readonly message: Dhcp6Message }
  /** Somebody has set the wall clock: milliseconds since 1970-01-01 UTC at Instant 0. */
  | { readonly kind: 'clock-set'; readonly wallClockAtZero: number }
  /** The engine's deadline has come. */
  | { readonly kind: 'deadline' }
  /** CARP's role changed: an edge. */
  | { readonly kind: 'role'; readonly role: Role }
  /** The line's Ethernet link changed. */
  | { readonly kind: 'carrier'; readonly up: boolean }
  /** The partner's announce frame: another station on the line uses our session MAC. */
  | { readonly kind: 'own-mac-heard'; readonly epoch: number }
  /** From the other router, verified. */
  | { readonly kind: 'partner'; readonly message: PartnerMessage }
  /** The helper answered `hello`: it has just started, or we have. */
  | { readonly kind: 'helper-up'; readonly state: HelperState }
  /** The helper's socket closed. Nothing can be sent until `helper-up`. */
  | { readonly kind: 'helper-down' }
  /** Octets the kernel has received in the session. */
  | { readonly kind: 'counted'; readonly octetsIn: number }
  /** The kernel closed the session (on Linux after a PADT, or a change of MTU or MAC). */
  | { readonly kind: 'session-closed' }
  | { readonly kind: 'admin'; readonly verb: AdminVerb }
  /** The helper refused an action, or the kernel did. */
  | {
      readonly kind: 'failed';
      readonly action: Action['kind'];
      readonly code: string;
      readonly message: string;
    };

/** The addresses and sizes of a session, for its interface. */
export type SessionSettings = Ipv4Ends & {
  /** Largest packet to send, octets. */
  readonly mtu: number;
  readonly interfaceIds?: { readonly ours: InterfaceId; readonly theirs: InterfaceId };
};

type InterfaceSettings = SessionSettings & {
  /** False on a standby: configured, but down, so that the AC's address is not routed into a closed gate. */
  readonly up: boolean;
};

export type RouteTarget = 'session' | 'partner' | 'none';

export type Action =
  /** A barrier: durable before any later action is performed. */
  | { readonly kind: 'store'; readonly snapshot: Snapshot }
  | {
      readonly kind: 'send-discovery';
      readonly destination: MacAddress;
      readonly packet: DiscoveryPacket;
    }
  | { readonly kind: 'send-ppp'; readonly packet: PppPacket }
  /** To all DHCPv6 servers on the session's interface. */
  | { readonly kind: 'send-dhcp6'; readonly message: Dhcp6Message }
  /** Read how much the kernel has received in the session; the event `counted` is the answer, if there is one. */
  | { readonly kind: 'count' }
  /**
   * Join the session to its interface, gate closed. With `autoOpen` the helper opens the gate by itself on becoming MASTER,
   * and with `settings` it then also brings the interface up and the default route into the session, in the same act.
   */
  | {
      readonly kind: 'attach';
      readonly key: SessionKey;
      readonly maxPayload: number;
      readonly autoOpen: boolean;
      /** Absent until the AC has agreed to some, and if the helper may not open the gate by itself. */
      readonly settings?: SessionSettings;
    }
  /** Remove the session from the kernel. Sends nothing. */
  | { readonly kind: 'detach' }
  | { readonly kind: 'gate'; readonly open: boolean }
  | { readonly kind: 'configure'; readonly settings: InterfaceSettings }
  | { readonly kind: 'deconfigure' }
  /** The default routes this session is responsible for. */
  | { readonly kind: 'route'; readonly via: RouteTarget }
  /** Teach the switches where our session MAC is now, and tell a partner on the same line our epoch. */
  | { readonly kind: 'announce'; readonly epoch: number }
  /**
   * Configure the LANs and the session's interface with a lease; without one, remove it. Lifetimes are seconds from now.
   * A prefix with a preferred lifetime of 0 is a former one.
   */
  | {
      readonly kind: 'delegate';
      readonly lease: Lease | null;
      readonly prefixes: readonly LeasedPrefix[];
      readonly addresses: readonly LeasedAddress[];
    }
  /** Add our CARP demotion, or remove it. Idempotent. */
  | { readonly kind: 'demote'; readonly on: boolean }
  /** Ask CARP to make this router MASTER: by every sign the partner is dead. A living MASTER takes the role back. */
  | { readonly kind: 'claim' }
  | { readonly kind: 'tell-partner'; readonly message: PartnerMessage }
  | { readonly kind: 'note'; readonly note: Note };

/** One line of the log, as data: `<ifname> <machine>: <from> -> <to> on <on> [actions] key=value…`. */
export interface Note {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly machine: 'discovery' | 'lcp' | 'auth' | 'ipcp' | 'ipv6cp' | 'link' | 'dhcp6' | 'owner';
  readonly from: string;
  /** Absent if the state did not change. */
  readonly to?: string;
  /** What caused it, in the words of the RFC or of carp(4). */
  readonly on: string;
  readonly actions?: readonly string[];
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
}

/** A pure protocol engine: the only way in is `handle`, the only ways out are its return value and `deadline`. */
export interface Engine<E, A> {
  /** Apply one event. The actions must be performed, in order, before the next call. */
  handle(event: E, now: Instant): readonly A[];
  /** When the engine next needs `{ kind: 'deadline' }`; undefined if it waits for input only. */
  deadline(): Instant | undefined;
}
