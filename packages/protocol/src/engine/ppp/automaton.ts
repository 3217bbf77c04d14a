/**
 * The option-negotiation automaton of RFC 1661 §4: its state transition table, and `step`. It counts nothing and sends
 * nothing; `negotiation.ts` does what the actions say.
 *
 * The ten states are read on two axes. Is the lower layer up? Not in Initial and Starting. Is the layer administratively
 * open? Not in Initial, Closed and Closing. The table is the RFC's, cell for cell, with its footnote letters:
 *   r  the restart option of an Open event, which we do not take;
 *   x  crossed connections: an Ack or Nak for a request we have given up begins the exchange again;
 *   p  the passive option, which we do not take: a Host that waits in silence would wait for ever.
 */

export const STATES = [
  'Initial',
  'Starting',
  'Closed',
  'Stopped',
  'Closing',
  'Stopping',
  'Req-Sent',
  'Ack-Rcvd',
  'Ack-Sent',
  'Opened',
] as const;

export type AutomatonState = (typeof STATES)[number];

/** RFC 1661 §4.4. */
export type AutomatonAction =
  /** This-Layer-Up, -Down, -Started, -Finished. */
  | 'tlu'
  | 'tld'
  | 'tls'
  | 'tlf'
  /** Initialize-Restart-Count, Zero-Restart-Count. */
  | 'irc'
  | 'zrc'
  /** Send-Configure-Request, -Ack, -Nak (or -Reject). */
  | 'scr'
  | 'sca'
  | 'scn'
  /** Send-Terminate-Request, -Ack. */
  | 'str'
  | 'sta'
  /** Send-Code-Reject, Send-Echo-Reply. */
  | 'scj'
  | 'ser';

type Digit = '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9';
type Next = Digit | '3r' | '5r' | '9r' | '6x' | '3p';
type Cell =
  | Next
  | `${AutomatonAction}/${Next}`
  | `${AutomatonAction},${AutomatonAction}/${Next}`
  | `${AutomatonAction},${AutomatonAction},${AutomatonAction}/${Next}`;
type Entry = Cell | '-';
type Row = readonly [Entry, Entry, Entry, Entry, Entry, Entry, Entry, Entry, Entry, Entry];

/** RFC 1661 §4.1. Rows are events and columns states, as there; '-' cannot occur. */
// prettier-ignore
export const TRANSITIONS = {
  //        Initial  Starting     Closed       Stopped          Closing  Stopping Req-Sent     Ack-Rcvd     Ack-Sent     Opened
  'Up':    ['2',     'irc,scr/6', '-',         '-',             '-',     '-',     '-',         '-',         '-',         '-'              ],
  'Down':  ['-',     '-',         '0',         'tls/1',         '0',     '1',     '1',         '1',         '1',         'tld/1'          ],
  'Open':  ['tls/1', '1',         'irc,scr/6', '3r',            '5r',    '5r',    '6',         '7',         '8',         '9r'             ],
  'Close': ['0',     'tlf/0',     '2',         '2',             '4',     '4',     'irc,str/4', 'irc,str/4', 'irc,str/4', 'tld,irc,str/4'  ],

  'TO+':   ['-',     '-',         '-',         '-',             'str/4', 'str/5', 'scr/6',     'scr/6',     'scr/8',     '-'              ],
  'TO-':   ['-',     '-',         '-',         '-',             'tlf/2', 'tlf/3', 'tlf/3p',    'tlf/3p',    'tlf/3p',    '-'              ],

  'RCR+':  ['-',     '-',         'sta/2',     'irc,scr,sca/8', '4',     '5',     'sca/8',     'sca,tlu/9', 'sca/8',     'tld,scr,sca/8'  ],
  'RCR-':  ['-',     '-',         'sta/2',     'irc,scr,scn/6', '4',     '5',     'scn/6',     'scn/7',     'scn/6',     'tld,scr,scn/6'  ],
  'RCA':   ['-',     '-',         'sta/2',     'sta/3',         '4',     '5',     'irc/7',     'scr/6x',    'irc,tlu/9', 'tld,scr/6x'     ],
  'RCN':   ['-',     '-',         'sta/2',     'sta/3',         '4',     '5',     'irc,scr/6', 'scr/6x',    'irc,scr/8', 'tld,scr/6x'     ],

  'RTR':   ['-',     '-',         'sta/2',     'sta/3',         'sta/4', 'sta/5', 'sta/6',     'sta/6',     'sta/6',     'tld,zrc,sta/5'  ],
  'RTA':   ['-',     '-',         '2',         '3',             'tlf/2', 'tlf/3', '6',         '6',         '8',         'tld,scr/6'      ],

  'RUC':   ['-',     '-',         'scj/2',     'scj/3',         'scj/4', 'scj/5', 'scj/6',     'scj/7',     'scj/8',     'scj/9'          ],
  'RXJ+':  ['-',     '-',         '2',         '3',             '4',     '5',     '6',         '6',         '8',         '9'              ],
  'RXJ-':  ['-',     '-',         'tlf/2',     'tlf/3',         'tlf/2', 'tlf/3', 'tlf/3',     'tlf/3',     'tlf/3',     'tld,irc,str/5'  ],

  'RXR':   ['-',     '-',         '2',         '3',             '4',     '5',     '6',         '7',         '8',         'ser/9'          ],
} as const satisfies Record<string, Row>;

export type AutomatonEvent = keyof typeof TRANSITIONS;

interface Transition {
  readonly actions: readonly AutomatonAction[];
  readonly next: AutomatonState;
}

/** The table, read once. */
const READ = new Map<string, readonly (Transition | undefined)[]>(
  Object.entries(TRANSITIONS).map(([event, row]) => [event, row.map(read)]),
);

function read(entry: Entry): Transition | undefined {
  if (entry === '-') return undefined;
  const [actions, next] = entry.includes('/') ? entry.split('/') : ['', entry];
  const state = STATES[Number.parseInt(next ?? '', 10)];
  if (state === undefined) return undefined;
  return {
    actions: actions === '' ? [] : ((actions ?? '').split(',') as AutomatonAction[]),
    next: state,
  };
}

/** What `event` does in `state`; undefined where the RFC has a dash. Pure and total. */
export const step = (state: AutomatonState, event: AutomatonEvent): Transition | undefined =>
  READ.get(event)?.[STATES.indexOf(state)];

/** The states in which the Restart timer runs: those in which a TO event can occur (RFC 1661 §4.1). */
export const isTimed = (state: AutomatonState): boolean => step(state, 'TO+') !== undefined;
