/**
 * Who owns the session: a total table of what each event does in each state. It decides nothing else: what an act
 * means in frames and kernel calls is `owner.ts`.
 *
 * Theory of operation. CARP says which router *should* hold the session (the role); the epoch in the snapshot says
 * which one *does*. A router takes by raising the epoch, and everything from a lower epoch is fenced. The partner's
 * word moves the epoch forward; it never gives this router a session that CARP has not given it. What may not happen:
 * two routers sending in one epoch, and nobody holding while one could.
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
  /** The operator disconnected. A partner that takes meanwhile has the session; there is nothing left to disconnect. */
  | 'Off';

export type OwnerEvent =
  /** At start: the kernel still carries the session this router last held, gate open, role MASTER. */
  | 'Adopt'
  /** The partner's snapshot was heard, or the hold-down ended, or there is no partner. */
  | 'Ready'
  /** The role became, or at Ready is, MASTER. */
  | 'Master'
  /**
   * MASTER, but the partner was here first: it says so at Ready, or it is seen on the line and not heard, and we know of
   * no session.
   */
  | 'Rival'
  /** The role became BACKUP or INIT. */
  | 'Backup'
  /** The partner has a newer snapshot than ours, or its announce frame carried a higher epoch. */
  | 'Newer'
  /** Nobody else holds the session: the partner says so, or has been neither heard nor seen on the line for long enough. */
  | 'Freed'
  /** The operator asks for a planned handoff. */
  | 'Handoff'
  /** The handoff did not happen in time. */
  | 'Undo'
  | 'Connect'
  | 'Disconnect';

export type OwnerAct =
  /** Join the session to the interface behind a closed gate that opens by itself on MASTER; route via the partner. */
  | 'arm'
  /** Raise the epoch, store it, open the gate, announce, prove the session (or dial), route via it, tell the partner. */
  | 'take'
  /** As `take`, in the epoch that already is ours. */
  | 'carry'
  /** Close the gate, fall silent, tell the partner. */
  | 'release'
  /** As `release`, and never open by itself. */
  | 'fence'
  /** Put our CARP demotion in force, for a handoff. */
  | 'demote'
  /** Take it back. */
  | 'promote'
  /** Terminate the session with the AC. */
  | 'hangUp';

/** `refuse`: the operator is told why. Otherwise acts in order, then the next state. */
type Cell =
  OwnerState | `${OwnerAct}/${OwnerState}` | `${OwnerAct},${OwnerAct}/${OwnerState}` | 'refuse';
type Row = Record<OwnerState, Cell>;

// prettier-ignore
export const OWNERSHIP = {
  //            Waiting                      Standby                      Holding                      Yielding                            Fenced                     Off
  Adopt:      { Waiting: 'carry/Holding',    Standby: 'Standby',          Holding: 'Holding',          Yielding: 'Yielding',               Fenced: 'Fenced',          Off: 'Off'              },
  Ready:      { Waiting: 'arm/Standby',      Standby: 'Standby',          Holding: 'Holding',          Yielding: 'Yielding',               Fenced: 'Fenced',          Off: 'Off'              },
  Master:     { Waiting: 'Waiting',          Standby: 'take/Holding',     Holding: 'Holding',          Yielding: 'Yielding',               Fenced: 'Fenced',          Off: 'Off'              },
  Rival:      { Waiting: 'Waiting',          Standby: 'fence/Fenced',     Holding: 'Holding',          Yielding: 'Yielding',               Fenced: 'Fenced',          Off: 'Off'              },
  Backup:     { Waiting: 'Waiting',          Standby: 'Standby',          Holding: 'release,arm/Standby', Yielding: 'release,arm/Standby', Fenced: 'arm/Standby',     Off: 'release,arm/Standby' },
  Newer:      { Waiting: 'Waiting',          Standby: 'arm/Standby',      Holding: 'fence/Fenced',     Yielding: 'fence/Fenced',           Fenced: 'Fenced',          Off: 'fence/Fenced'     },
  Freed:      { Waiting: 'Waiting',          Standby: 'Standby',          Holding: 'Holding',          Yielding: 'Yielding',               Fenced: 'take/Holding',    Off: 'Off'              },
  Handoff:    { Waiting: 'refuse',           Standby: 'refuse',           Holding: 'demote/Yielding',  Yielding: 'refuse',                 Fenced: 'refuse',          Off: 'refuse'           },
  Undo:       { Waiting: 'Waiting',          Standby: 'Standby',          Holding: 'Holding',          Yielding: 'promote/Holding',        Fenced: 'Fenced',          Off: 'Off'              },
  Connect:    { Waiting: 'refuse',           Standby: 'promote/Standby',  Holding: 'promote/Holding',  Yielding: 'promote/Holding',        Fenced: 'refuse',          Off: 'take/Holding'     },
  Disconnect: { Waiting: 'refuse',           Standby: 'refuse',           Holding: 'hangUp/Off',       Yielding: 'promote,hangUp/Off',     Fenced: 'refuse',          Off: 'refuse'           },
} as const satisfies Record<OwnerEvent, Row>;

export interface OwnerStep {
  readonly acts: readonly OwnerAct[];
  readonly next: OwnerState;
}

/** What `event` does in `state`; undefined where the table refuses. Pure and total. */
export function stepOwner(state: OwnerState, event: OwnerEvent): OwnerStep | undefined {
  const cell: Cell = OWNERSHIP[event][state];
  if (cell === 'refuse') return undefined;
  const [acts, next] = cell.includes('/')
    ? (cell.split('/') as [string, OwnerState])
    : ['', cell as OwnerState];
  return { acts: acts === '' ? [] : (acts.split(',') as OwnerAct[]), next };
}
