/**
 * Who owns the session: a total table of what each event does in each state. It decides nothing else. `judge.ts` says
 * which event of this table an event from the world is; `acts.ts` says what an act means in frames and kernel calls.
 *
 * Theory of operation. CARP says which router *should* hold the session (the role); the epoch in the snapshot says
 * which one *does*. A router takes by raising the epoch, and everything from a lower epoch is fenced. The partner's
 * messages move the epoch forward; they never give this router a session that CARP has not given it. What may not
 * happen: two routers sending in one epoch, and nobody holding while one could.
 */

export type OwnerState =
  /** Just started: silent, and demoted, until the partner's snapshot is heard or the hold-down ends. */
  | 'Waiting'
  /** The other router should hold the session; ours is armed, gate closed, silent. */
  | 'Standby'
  /** We hold it: gate open, or dialling. */
  | 'Holding'
  /** We hold it and have demoted ourselves so that the partner takes it: a planned handoff. */
  | 'Yielding'
  /** CARP says MASTER, but the partner holds a higher epoch: a split. Gate closed, silent. */
  | 'Fenced'
  /** The operator disconnected, and the AC has not let go yet. A partner that takes meanwhile has the session. */
  | 'HangingUp'
  /** As HangingUp, but the operator wants a new session once the AC has let go. */
  | 'Redialling'
  /** The operator disconnected, and the session is gone. */
  | 'Off';

export type OwnerEvent =
  // The helper and the kernel.
  /** At start: the kernel still carries the session this router last held, gate open, role MASTER. */
  | 'Adopt'
  /** The partner's snapshot was heard, or the hold-down ended, or there is no partner. */
  | 'Ready'
  /** The helper has come, and the role is MASTER. */
  | 'HelperMaster'
  /** The helper has come, and the role is BACKUP or INIT. */
  | 'HelperBackup'
  /** The kernel does not carry the session for us: the helper is gone, or attach or gate was refused. */
  | 'Severed'
  /** A second has passed since the kernel refused something. */
  | 'Retry'
  /** The kernel refuses the addresses or the route of the session: nothing is forwarded, whatever the AC answers. */
  | 'Blocked'
  /** It has not refused them again. */
  | 'Unblocked'
  /** A second has passed since the disk refused the snapshot. */
  | 'Rewrite'
  // CARP.
  /** The role became, or at Ready is, MASTER. */
  | 'Master'
  /**
   * MASTER, but the partner was here first: it says so at Ready, or it is seen on the line and not heard, and we know of
   * no session.
   */
  | 'Rival'
  /** The role became BACKUP or INIT. */
  | 'Backup'
  /** Nobody can tell the role any more, while CARP may go on without us. */
  | 'RoleLost'
  /** The role is known again. */
  | 'RoleFound'
  // The partner, between us and on the line.
  /** The partner has a newer snapshot than ours. It is ours now. */
  | 'Newer'
  /** The partner had opened a session that we had not heard of when we took. It is in our snapshot now. */
  | 'Told'
  /** The partner, which was dialling when we took, has stopped, or is silent. */
  | 'Released'
  /** The partner's announce frame carries a higher epoch. Its snapshot is not known. */
  | 'Outbid'
  /** The partner's announce frame carries our own epoch. */
  | 'Tied'
  /** The random wait after `Tied` is over, and nobody has gone a step higher. */
  | 'ContestOver'
  /** The partner has to see on the line who holds the session: it is behind, or it may not hear us. */
  | 'Claim'
  /** Nobody else holds the session: the partner says so, or has been neither heard nor seen on the line for long enough. */
  | 'Freed'
  /** The partner wants to give us the session, so our own demotion for a handoff must go. */
  | 'GivenBack'
  /** The partner has begun to carry the session, or has ceased to: what we know of it has changed. */
  | 'Rerouted'
  /** The AC ended the session of our snapshot, and the partner does not carry it. */
  | 'Ended'
  // The link.
  /** The link has opened a session, or the facts of the open one have changed. */
  | 'Opened'
  /** The AC answered an Echo-Request. */
  | 'Proven'
  /** The AC does not answer, or the line has no carrier. */
  | 'Silent'
  /** The session is gone, or a dial has failed. */
  | 'Closed'
  /** As Closed, but the partner is on the line and not heard: it may well be carrying the session. */
  | 'Contested'
  /** The session has been down for as long as the configuration allows, and no dial advances. */
  | 'Down'
  // The operator.
  /** The operator asks for a planned handoff. */
  | 'Handoff'
  /** The handoff did not happen in time. */
  | 'Undo'
  | 'Connect'
  | 'Disconnect'
  | 'Reconnect';

export type OwnerAct =
  /** Put our CARP demotion in force until the partner is heard, but not for longer than the hold-down. */
  | 'holdDown'
  /** Remove it. */
  | 'lift'
  /** Join the session to the interface behind a closed gate that opens by itself on MASTER; `reroute`. */
  | 'arm'
  /** As `arm`, but the gate never opens by itself. */
  | 'shut'
  /** Route via the partner while it is known to carry the session; else nowhere (rule R13). */
  | 'reroute'
  /** Take no session over: dial instead. */
  | 'forget'
  /** Raise the epoch, store it, and `carry`. */
  | 'take'
  /** Open the gate, announce, prove the session (or dial), route via it, tell the partner. */
  | 'carry'
  /** Close the gate and fall silent. */
  | 'release'
  /** Store the snapshot again. */
  | 'store'
  /** Keep the link from drawing conclusions from a silence that is our own kernel's. */
  | 'sever'
  /** Ask the kernel again for everything this state needs; the AC and the partner need not hear of it. */
  | 'insist'
  /** Say that nothing is forwarded, and give the session up if that lasts. */
  | 'block'
  | 'unblock'
  /** Send an announce frame. */
  | 'announce'
  /** Wait a random time before going a step higher than a partner with the same epoch. */
  | 'defer'
  /** Store the session that has opened, and put its addresses and route in place. */
  | 'install'
  | 'prove'
  | 'doubt'
  /** If the partner could hold the session, demote this router so that CARP moves the role. */
  | 'giveUp'
  /** Remove the session's addresses and route. */
  | 'clear'
  /** Write down that there is no session, and `clear`. */
  | 'end'
  /** Dial, no sooner than the back-off allows. */
  | 'redial'
  /** Put our CARP demotion in force, for a handoff. */
  | 'demote'
  /** Remove it, and the watchdog's. */
  | 'promote'
  /** Remove the handoff's demotion only. */
  | 'undemote'
  /** Demote this router until its role is known. */
  | 'standBack'
  /** Remove that. */
  | 'standForth'
  /** Give the lease back to the DHCPv6 server, then `hangUp`. */
  | 'leave'
  /** Terminate the session with the AC. The lease is kept: a new session asks for it again. */
  | 'hangUp'
  /** Do it again, if the helper or the kernel failed before the AC had let go. */
  | 'hangUpAgain';

/**
 * `-`: the event changes nothing here. `refuse`: the operator is told why. Otherwise the acts in order, then the next
 * state.
 */
type Cell = '-' | 'refuse' | OwnerState | `${string}/${OwnerState}`;
type Row = Record<OwnerState, Cell>;

// prettier-ignore
export const OWNERSHIP = {
  //                Waiting                        Standby                         Holding                               Yielding                               Fenced                       HangingUp                                 Redialling                                  Off
  Adopt:        { Waiting: 'lift,carry/Holding', Standby: '-',                   Holding: '-',                         Yielding: '-',                         Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Ready:        { Waiting: 'lift,arm/Standby',   Standby: '-',                   Holding: '-',                         Yielding: '-',                         Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  HelperMaster: { Waiting: 'holdDown/Waiting',   Standby: 'take/Holding',        Holding: 'carry/Holding',             Yielding: 'carry/Yielding',            Fenced: 'shut/Fenced',       HangingUp: 'hangUpAgain/HangingUp',       Redialling: 'hangUpAgain/Redialling',       Off: '-'                         },
  HelperBackup: { Waiting: 'holdDown/Waiting',   Standby: 'arm/Standby',         Holding: 'release,arm/Standby',       Yielding: 'release,arm/Standby',       Fenced: 'arm/Standby',       HangingUp: 'release,arm/Standby',         Redialling: 'release,arm/Standby',          Off: 'release,arm/Standby'       },
  Severed:      { Waiting: 'sever/Waiting',      Standby: 'sever/Standby',       Holding: 'sever/Holding',             Yielding: 'sever/Yielding',            Fenced: 'sever/Fenced',      HangingUp: 'sever/HangingUp',             Redialling: 'sever/Redialling',             Off: 'sever/Off'                 },
  Retry:        { Waiting: '-',                  Standby: 'arm/Standby',         Holding: 'insist/Holding',            Yielding: 'insist/Yielding',           Fenced: 'shut/Fenced',       HangingUp: 'hangUpAgain/HangingUp',       Redialling: 'hangUpAgain/Redialling',       Off: 'clear/Off'                 },
  Blocked:      { Waiting: '-',                  Standby: '-',                   Holding: 'block/Holding',             Yielding: 'block/Yielding',            Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Unblocked:    { Waiting: '-',                  Standby: '-',                   Holding: 'unblock/Holding',           Yielding: 'unblock/Yielding',          Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Rewrite:      { Waiting: 'store/Waiting',      Standby: 'store,arm/Standby',   Holding: 'store,carry/Holding',       Yielding: 'store,carry/Yielding',      Fenced: 'store,shut/Fenced', HangingUp: 'store,hangUpAgain/HangingUp', Redialling: 'store,hangUpAgain/Redialling', Off: 'store/Off'                 },
  Master:       { Waiting: '-',                  Standby: 'take/Holding',        Holding: '-',                         Yielding: '-',                         Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Rival:        { Waiting: '-',                  Standby: 'release,shut/Fenced', Holding: '-',                         Yielding: '-',                         Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Backup:       { Waiting: '-',                  Standby: '-',                   Holding: 'release,arm/Standby',       Yielding: 'release,arm/Standby',       Fenced: 'arm/Standby',       HangingUp: 'release,arm/Standby',         Redialling: 'release,arm/Standby',          Off: 'release,arm/Standby'       },
  RoleLost:     { Waiting: 'standBack/Waiting',  Standby: 'standBack/Standby',   Holding: 'standBack/Holding',         Yielding: 'standBack/Yielding',        Fenced: 'standBack/Fenced',  HangingUp: 'standBack/HangingUp',         Redialling: 'standBack/Redialling',         Off: 'standBack/Off'             },
  RoleFound:    { Waiting: 'standForth/Waiting', Standby: 'standForth/Standby',  Holding: 'standForth/Holding',        Yielding: 'standForth/Yielding',       Fenced: 'standForth/Fenced', HangingUp: 'standForth/HangingUp',        Redialling: 'standForth/Redialling',        Off: 'standForth/Off'            },
  Newer:        { Waiting: 'store/Waiting',      Standby: 'store,arm/Standby',   Holding: 'release,store,shut/Fenced', Yielding: 'release,store,shut/Fenced', Fenced: 'store/Fenced',      HangingUp: 'release,store,shut/Fenced',   Redialling: 'release,store,shut/Fenced',    Off: 'release,store,shut/Fenced' },
  Told:         { Waiting: 'store/Waiting',      Standby: 'store,arm/Standby',   Holding: 'store,carry/Holding',       Yielding: 'store,carry/Yielding',      Fenced: 'store/Fenced',      HangingUp: 'store/HangingUp',             Redialling: 'store/Redialling',             Off: 'store/Off'                 },
  Released:     { Waiting: '-',                  Standby: '-',                   Holding: 'redial/Holding',            Yielding: 'redial/Yielding',           Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Outbid:       { Waiting: '-',                  Standby: 'arm/Standby',         Holding: 'release,shut/Fenced',       Yielding: 'release,shut/Fenced',       Fenced: '-',                 HangingUp: 'release,shut/Fenced',         Redialling: 'release,shut/Fenced',          Off: 'release,shut/Fenced'       },
  Tied:         { Waiting: '-',                  Standby: '-',                   Holding: 'defer/Holding',             Yielding: 'defer/Yielding',            Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  ContestOver:  { Waiting: '-',                  Standby: '-',                   Holding: 'take/Holding',              Yielding: 'take/Yielding',             Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Claim:        { Waiting: '-',                  Standby: '-',                   Holding: 'announce/Holding',          Yielding: 'announce/Yielding',         Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Freed:        { Waiting: '-',                  Standby: '-',                   Holding: '-',                         Yielding: '-',                         Fenced: 'take/Holding',      HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  GivenBack:    { Waiting: '-',                  Standby: 'undemote/Standby',    Holding: 'undemote/Holding',          Yielding: '-',                         Fenced: 'undemote/Fenced',   HangingUp: 'undemote/HangingUp',          Redialling: 'undemote/Redialling',          Off: 'undemote/Off'              },
  Rerouted:     { Waiting: '-',                  Standby: 'reroute/Standby',     Holding: '-',                         Yielding: '-',                         Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Ended:        { Waiting: '-',                  Standby: 'forget/Standby',      Holding: '-',                         Yielding: '-',                         Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Opened:       { Waiting: '-',                  Standby: '-',                   Holding: 'install,prove/Holding',     Yielding: 'install,prove/Yielding',    Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Proven:       { Waiting: '-',                  Standby: '-',                   Holding: 'prove/Holding',             Yielding: 'prove/Yielding',            Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Silent:       { Waiting: '-',                  Standby: '-',                   Holding: 'doubt,giveUp/Holding',      Yielding: 'doubt,giveUp/Yielding',     Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Closed:       { Waiting: '-',                  Standby: '-',                   Holding: 'end,redial/Holding',        Yielding: 'end,redial/Yielding',       Fenced: '-',                 HangingUp: 'end/Off',                     Redialling: 'end,take/Holding',             Off: '-'                         },
  Contested:    { Waiting: '-',                  Standby: '-',                   Holding: 'release,shut/Fenced',       Yielding: 'release,shut/Fenced',       Fenced: '-',                 HangingUp: 'end/Off',                     Redialling: 'end,take/Holding',             Off: '-'                         },
  Down:         { Waiting: '-',                  Standby: '-',                   Holding: 'giveUp/Holding',            Yielding: 'giveUp/Yielding',           Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Handoff:      { Waiting: 'refuse',             Standby: 'refuse',              Holding: 'demote/Yielding',           Yielding: 'refuse',                    Fenced: 'refuse',            HangingUp: 'refuse',                      Redialling: 'refuse',                       Off: 'refuse'                    },
  Undo:         { Waiting: '-',                  Standby: '-',                   Holding: '-',                         Yielding: 'promote/Holding',           Fenced: '-',                 HangingUp: '-',                           Redialling: '-',                            Off: '-'                         },
  Connect:      { Waiting: 'refuse',             Standby: 'promote/Standby',     Holding: 'promote/Holding',           Yielding: 'promote/Holding',           Fenced: 'refuse',            HangingUp: 'promote,take/Holding',        Redialling: 'promote,take/Holding',         Off: 'promote,take/Holding'      },
  Disconnect:   { Waiting: 'refuse',             Standby: 'refuse',              Holding: 'leave/HangingUp',           Yielding: 'promote,leave/HangingUp',   Fenced: 'refuse',            HangingUp: 'refuse',                      Redialling: 'refuse',                       Off: 'refuse'                    },
  Reconnect:    { Waiting: 'refuse',             Standby: 'refuse',              Holding: 'hangUp/Redialling',         Yielding: 'promote,hangUp/Redialling', Fenced: 'refuse',            HangingUp: 'refuse',                      Redialling: 'refuse',                       Off: 'refuse'                    },
} as const satisfies Record<OwnerEvent, Row>;

/** Acts, one or several between commas. */
type ActsIn<Text extends string> = Text extends `${infer First},${infer Rest}`
  ? First extends OwnerAct
    ? ActsIn<Rest>
    : false
  : Text extends OwnerAct
    ? true
    : false;
type Named<Text> = Text extends `${infer List}/${OwnerState}` ? ActsIn<List> : true;
/** The compiler knows every act that a cell names. */
true satisfies Named<(typeof OWNERSHIP)[OwnerEvent][OwnerState]>;

interface OwnerStep {
  readonly acts: readonly OwnerAct[];
  readonly next: OwnerState;
}

/** What `event` does in `state`; undefined where the table refuses. Pure and total. */
export function stepOwner(state: OwnerState, event: OwnerEvent): OwnerStep | undefined {
  const cell: Cell = OWNERSHIP[event][state];
  if (cell === 'refuse') return undefined;
  return cell === '-' ? IDLE[state] : stepIn(cell);
}

const idle = (next: OwnerState): OwnerStep => ({ acts: [], next });

/** Most events change nothing: nothing is made for them. */
const IDLE: Record<OwnerState, OwnerStep> = {
  Waiting: idle('Waiting'),
  Standby: idle('Standby'),
  Holding: idle('Holding'),
  Yielding: idle('Yielding'),
  Fenced: idle('Fenced'),
  HangingUp: idle('HangingUp'),
  Redialling: idle('Redialling'),
  Off: idle('Off'),
};

function stepIn(cell: Exclude<Cell, '-' | 'refuse'>): OwnerStep {
  const [acts, next] = cell.includes('/')
    ? (cell.split('/') as [string, OwnerState])
    : ['', cell as OwnerState];
  return { acts: acts === '' ? [] : (acts.split(',') as OwnerAct[]), next };
}
