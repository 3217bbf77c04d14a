/**
 * Deliberate faults that a test notices, each by the cheapest one that does: in what the fast campaign does not run (store,
 * channel, helper), and in what it runs on decoded values only. `make sim-mutants` shows that each is noticed. Nothing here
 * runs in the product.
 */
import { FREEBSD_MUTANTS } from './mutants-freebsd.ts';
import { of, type Mutant } from './mutants.ts';

const ENGINE = 'protocol/dist/engine';

export const TEST_MUTANTS: readonly Mutant[] = [
  ...of('supervisor/dist/disk.js', 'system', [
    ['store: file not fsynced', 'at);\n        disk.fsyncSync(fd);', 'at);'],
  ]),
  ...of('supervisor/dist/store.js', 'system', [
    ['store: directory not fsynced', 'syncDirectory(this.#disk, this.#directory);\n        }', '}'],
  ]),
  ...of('supervisor/dist/store.js', 'system/store', [
    ['store: relies on what may be lost', 'this.#settle();', ''],
  ]),
  ...of('supervisor/dist/store.js', 'supervisor/store', [
    [
      'store: epoch may fall',
      'if (isLaterEpoch(before, epoch) && isLaterEpoch(asked, epoch))',
      'if (false)',
    ],
    [
      'store: only what the disk took counts',
      'isLaterEpoch(before, epoch) && isLaterEpoch(asked, epoch)',
      'isLaterEpoch(before, epoch)',
    ],
    [
      'store: previous file not kept',
      'if (this.#whole.delete(session))\n                this.#keep(path);',
      '',
    ],
    ['store: damage is nothing', 'lost.push({ epoch: isNewer ? error.epoch : 0 });', ''],
    [
      'store: everything written again',
      'if (this.#texts.get(session) === text)\n            return;',
      '',
    ],
    [
      'store: an unreadable file is no file',
      "throw new StoreError('read', path, error);",
      'return undefined;',
    ],
    [
      'store: a removed file is an error',
      "if (codeOf(error) !== 'ENOENT')\n                throw error;",
      'throw error;',
    ],
    ['store: the record of the epoch is not read', 'record, ...lost', '...lost'],
  ]),
  ...of('supervisor/dist/session.js', 'supervisor/running', [
    ['session: waits for the answers of a helper that is gone', 'this.#unsent = 0;', ''],
    ['session: nothing has crossed', "event.kind === 'ppp' && this.#unsent > 0", 'false'],
  ]),
  ...of('supervisor/dist/driver.js', 'supervisor/driver', [
    [
      'driver: goes on after a refused store',
      'return void this.#waiting.unshift({ event: outcome, at });',
      'this.#waiting.unshift({ event: outcome, at });',
    ],
    [
      'driver: a refused store waits its turn',
      'this.#waiting.unshift({ event: outcome, at });',
      'this.#waiting.push({ event: outcome, at });',
    ],
    [
      'driver: goes on while the disk takes its time',
      'const rest = actions.slice(i + 1);\n            return outcome.wait(',
      'const rest = [];\n            outcome.wait(',
    ],
    ['driver: events do not wait for the disk', 'while (!this.#isStoring) {', 'while (true) {'],
    [
      'driver: an early timer is a late one',
      "{ kind: 'deadline' }, Math.max(at, this.#clock.now())",
      "{ kind: 'deadline' }, this.#clock.now()",
    ],
    ['driver: an event interrupts another', 'if (this.#isBusy)\n            return;', ''],
    ['driver: timers pile up', '#arm() {\n        this.#cancel();', '#arm() {'],
    ['driver: not stopped', 'stop() {\n        this.#cancel();', 'stop() {'],
  ]),
  ...of('supervisor/dist/partner.js', 'supervisor/partner', [
    ['partner: counter not raised', 'of.counter += 1n;', ''],
    ['partner: a digest under an old key', 'if (digest?.key === key)', 'if (digest !== undefined)'],
    [
      'partner: hello not answered',
      'if (told !== undefined && hellos.mayAnswer(',
      'if (false && hellos.mayAnswer(',
    ],
    [
      'partner: hello answered with our echo',
      'this.#send(conversation, told, header.nonce)',
      'this.#send(conversation, told, echoOf(conversation.guard))',
    ],
    ['partner: old keys kept', 'setKeys(keys) {\n        this.#keys = keys;', 'setKeys(keys) {'],
    ['partner: guard forgets', 'conversation.guard = state;', ''],
    [
      'partner: everything is fresh',
      "if (verdict === 'fresh' && body !== undefined) {",
      'if (body !== undefined) {',
    ],
    [
      'partner: malformed ends the process',
      'if (!(error instanceof DecodeError))\n                throw error;\n            this.#refuse',
      'throw error;\n            this.#refuse',
    ],
  ]),
  ...of('protocol/dist/wire/partner-guard.js', 'wire/partner-guard', [
    ['guard: reflected taken', "return { verdict: 'reflected', state };", 'undefined;'],
    ['guard: for another router', "return { verdict: 'not-for-us', state };", 'undefined;'],
    [
      'guard: retired nonce taken',
      "if (retired.some((old) => sameOctets(old, nonce)))\n        return { verdict: 'replayed', state };",
      '',
    ],
    [
      'guard: the same counter twice',
      "if (known && counter === heard.counter)\n        return { verdict: 'replayed', state };",
      '',
    ],
    [
      'guard: overtaken taken',
      "if (known && counter < heard.counter)\n        return { verdict: 'stale', state };",
      '',
    ],
    [
      'guard: any echo will do',
      "if (!sameOctets(header.echo, state.nonce))\n        return { verdict: 'hello', state: next };",
      '',
    ],
    [
      'guard: lives not retired',
      'retired: heard === null ? retired : [...retired, heard.nonce],',
      'retired,',
    ],
    [
      'guard: renewal forgets nothing',
      'nonce: usable(nonce), retired: [] };\n}\n/** The partner',
      'nonce: usable(nonce) };\n}\n/** The partner',
    ],
    ['guard: never exhausted', 'state.retired.length >= MAX_RETIRED;', 'false;'],
    ['guard: our own partner', 'if (us === partner)', 'if (false)'],
  ]),
  ...of('supervisor/dist/keys.js', 'supervisor/partner', [
    ['keys: a short key', 'key.length < LENGTH.min || ', ''],
  ]),
  ...of('supervisor/dist/keys.js', 'supervisor/partner', [
    ['keys: number above 255', ' || id > 255', ''],
    ['keys: a number twice', 'else if (byId.has(id))', 'else if (false)'],
    [
      'keys: an active key that is not there',
      'problems.length === 0 && !byId.has(active)',
      'false',
    ],
  ]),
  ...of('supervisor/dist/hooks.js', 'supervisor/hooks', [
    ['hooks: told twice', 'if (this.#state.get(pair) === name)\n            return;', ''],
    [
      'hooks: start after the stop',
      'if (first === undefined || this.#isStopped)',
      'if (first === undefined)',
    ],
  ]),
  ...of('helper/dist/requests.js', 'helper/serve-role', [
    ['requests: speaks on any router', "'ppp-send': () => true,", "'ppp-send': () => false,"],
    ['requests: announces on any router', 'announce: () => true,', 'announce: () => false,'],
    [
      'requests: dials on any router',
      "'discovery-send': () => true,",
      "'discovery-send': () => false,",
    ],
    ['requests: raises on any router', 'configure: ({ up }) => up,', 'configure: () => false,'],
    [
      'requests: routes on any router',
      "route: ({ via }) => via === 'session',",
      'route: () => false,',
    ],
  ]),
  ...of('helper/dist/requests.js', 'helper/serve', [
    ['requests: no hello needed', "throw new FramingError('request before hello');", 'undefined;'],
    ['requests: any protocol version', 'if (version !== PROTOCOL_VERSION)', 'if (false)'],
    ['requests: a group address is an AC', 'if (isGroup(mac))', 'if (false)'],
    ['requests: any MTU', 'if (mtu > policy.mtu)', 'if (false)'],
  ]),
  ...of('protocol/dist/engine/owner/outbox.js', 'engine/delegation', [
    [
      'outbox: a refused lease silences the session',
      "isLease ? 'LeaseRefused' : 'Refused'",
      "'Refused'",
    ],
  ]),
  ...of('helper/dist/requests.js', 'freebsd/edge', [
    [
      'requests: routes to the partner while live',
      "throw refusal('route', name, 'EPERM', `role ${role}, gate ${gateOpen ? 'open' : 'closed'}`);",
      'undefined;',
    ],
  ]),
  ...of('helper/dist/sessions.js', 'system', [
    [
      'sessions: edge does not move the gate',
      'session.role = role;\n            this.#enforce(session, true);',
      'session.role = role;',
    ],
    ['sessions: edge does not raise', 'this.#raise(each.session);', ''],
    ['sessions: edge does not route', 'this.#route(each.session);', ''],
    ['sessions: edge not told', "notify({ notice: 'role', session: name, role, gateOpen });", ''],
  ]),
  ...of('helper/dist/sessions.js', 'helper/serve-role', [
    [
      'sessions: a gate that stays open is left',
      'else if (!wanted)\n            this.#retryClosing(session);',
      '',
    ],
  ]),
  ...of('helper/dist/demotion.js', 'helper/demotion', [
    ['demotion: twice in force', 'if (inForce.has(name) === on)\n                return;', ''],
    [
      'demotion: in force before it is written',
      'remember();\n                verbs.demote(true);',
      'verbs.demote(true);\n                remember();',
    ],
    [
      'demotion: not forgotten',
      'verbs.demote(false);\n                inForce.delete(name);',
      'verbs.demote(false);',
    ],
    [
      'demotion: adopted without a record',
      'recorded.has(name) && verbs.adoptDemotion',
      'verbs.adoptDemotion',
    ],
    [
      'demotion: not given back for a session that is gone',
      'backend.returnDemotion?.(amount);',
      '',
    ],
    [
      'demotion: given back before the disk takes it',
      'remember();\n                if (amount !== undefined)',
      'if (amount !== undefined)',
    ],
    [
      'demotion: an awaited session is settled',
      'if (isAwaited(session))\n                    continue;',
      '',
    ],
    ['demotion: of an earlier boot', 'uptime >= record.uptime ? ', 'true ? '],
  ]),
  ...of('helper/dist/server.js', 'helper/serve', [
    ['server: anybody may connect', 'if (peer.uid !== uid) {', 'if (false) {'],
    ['server: the oldest stays', 'current?.connection.close(`replaced by ${who}`);', ''],
  ]),
  ...of('helper/dist/connection.js', 'helper/serve', [
    [
      'connection: nothing is shed',
      'if (this.#queued > SHED_AT && SHEDDABLE',
      'if (false && SHEDDABLE',
    ],
    ['connection: never cut off', 'if (this.#queued > CUT_AT)', 'if (false)'],
    [
      'connection: what was shed is not told',
      'for (const [session, frames] of shed)',
      'for (const [session, frames] of [])',
    ],
  ]),
  ...of('protocol/dist/ipc/msgpack.js', 'ipc/framing', [
    ['messages: no limit of nesting', 'if (depth > MAX_DEPTH)', 'if (false)'],
  ]),
  ...of(`${ENGINE}/ppp/negotiation.js`, 'engine/negotiation', [
    [
      'negotiation: naks without end',
      'const isPatient = this.#naksSent < MAX_FAILURE;',
      'const isPatient = true;',
    ],
    ['negotiation: any Ack is ours', '!this.#isAnswer(packet) || !sameOptions(', '!sameOptions('],
    [
      'negotiation: an Ack of other options',
      '|| !sameOptions(packet.options, this.#request?.options ?? [])',
      '',
    ],
    [
      'negotiation: a repetition has another Identifier',
      'isRepetition ? previous.identifier : this.nextIdentifier()',
      'this.nextIdentifier()',
    ],
    [
      'negotiation: an answered Identifier again',
      'previous !== undefined && !this.#answered && sameOptions',
      'previous !== undefined && sameOptions',
    ],
    ['negotiation: a Reject of what was not asked', '|| isSubset(options, request)', '|| true'],
    [
      'negotiation: essential codes may be rejected',
      "isEssential(packet.rejected) ? 'RXJ-' : 'RXJ+'",
      "'RXJ+'",
    ],
    [
      'negotiation: Terminate has ten tries',
      "all.includes('str') ? MAX_TERMINATE : MAX_CONFIGURE",
      'MAX_CONFIGURE',
    ],
    [
      'negotiation: Terminate-Ack with its own Identifier',
      'cause?.identifier ?? this.nextIdentifier()',
      'this.nextIdentifier()',
    ],
    [
      'negotiation: restart counter is not counted',
      'Math.max(0, this.#restartCounter - 1)',
      'this.#restartCounter',
    ],
  ]),
  ...of(`${ENGINE}/ppp/negotiation.js`, 'engine/link-resume', [
    ['negotiation: resumed with Identifier 0', 'this.#identifier = identifier & 0xff;', ''],
  ]),
  ...of(`${ENGINE}/ppp/lcp.js`, 'engine/link-session', [
    [
      'lcp: Protocol-Reject is not cut',
      'information.slice(0, this.agreement.theirMru - REJECT_HEADER)',
      'information',
    ],
  ]),
  ...of(`${ENGINE}/ppp/lcp.js`, 'engine/link-echo', [
    [
      'lcp: our own Echo-Request answered',
      'if (isOurs && this.#echoes.has(packet.identifier))',
      'if (false)',
    ],
    [
      'lcp: Echo-Reply longer than the peer takes',
      'packet.data.slice(0, theirMru - ECHO_HEADER)',
      'packet.data',
    ],
    ['lcp: any Echo-Reply proves', 'isOurs || this.#echoes.size < ENOUGH_UNANSWERED', 'isOurs'],
    ['lcp: our own Echo-Reply proves', 'isOurs || this.#echoes.size', 'this.#echoes.size'],
  ]),
  ...of(`${ENGINE}/ppp/auth.js`, 'engine/auth', [
    [
      'auth: Success that nobody asked for',
      'if (answered?.isOutstanding !== true || isLate)',
      'if (answered === undefined || isLate)',
    ],
    [
      'auth: Success of an earlier Challenge',
      'isOutstanding !== true || isLate)',
      'isOutstanding !== true)',
    ],
    ['auth: no proof needed', '!isProof(packet.message, answered.expected)', 'false'],
    ['auth: a Challenge of no octets', 'value.length > 0;', 'true;'],
    [
      'auth: a Response is not repeated',
      'else if (this.#answered !== undefined)',
      'else if (false)',
    ],
    ['auth: asks for ever', 'if (this.#transmissions >= MAX_TRANSMISSIONS)', 'if (false)'],
    [
      'auth: a repeated Challenge is a new one',
      '!isRepeated || this.#answered === undefined',
      'true',
    ],
    ['auth: PAP answer to nothing', "this.#method === 'PAP' && this.#state === 'Waiting'", 'true'],
    [
      'auth: Identifier not hashed',
      'concat(Uint8Array.of(identifier), utf8(password), packet.value)',
      'concat(utf8(password), packet.value)',
    ],
    ['auth: Nak is an Ack', "return code === 'Authenticate-Ack'", 'return true'],
  ]),
  ...of(`${ENGINE}/link/discovery.js`, 'engine/discovery', [
    [
      'discovery: anybody’s Host-Uniq',
      'if (strange !== undefined)\n            return strange;',
      '',
    ],
    ['discovery: PADO with a SESSION_ID', 'if (packet.sessionId !== 0)', 'if (false)'],
    ['discovery: PADO from a group', 'if (isMulticast(source))', 'if (false)'],
    [
      'discovery: another AC than configured',
      'if (acMac !== undefined && !sameOctets(source, acMac))',
      'if (false)',
    ],
    [
      'discovery: another AC-Name than configured',
      'if (acName !== undefined && !sameOctets',
      'if (false && !sameOctets',
    ],
    ['discovery: cookie not returned', "tag.type === TAG['AC-Cookie'] || ", ''],
    ['discovery: relay not returned', " || tag.type === TAG['Relay-Session-Id']", ''],
    ['discovery: reserved SESSION_ID', '(isSessionId(sessionId) ? undefined : none)', 'undefined'],
    ['discovery: PADS of another dial', 'if (strange !== undefined) {', 'if (false) {'],
    ['discovery: a service that is not offered', 'wanted.length > 0 && !isOffered', 'false'],
  ]),
  ...of('protocol/dist/wire/pppoe.js', 'wire/pppoe', [
    ['pppoe: tags after the end', "if (type === TAG['End-Of-List'])\n            break;", ''],
    ['pppoe: data in a discovery code', 'if (code !== SESSION_DATA)', 'if (false)'],
  ]),
  ...of(`${ENGINE}/ppp/negotiation.js`, 'engine/link-agreement', [
    ['negotiation: an option twice is acknowledged', 'kinds.indexOf(option.kind) < i ?', 'false ?'],
  ]),
  ...of(`${ENGINE}/owner/waits.js`, 'engine/dial-and-partner', [
    [
      'watchdog: strung along for ever',
      'patience: () => seconds(60)',
      'patience: () => seconds(9e4)',
    ],
  ]),
  ...of(`${ENGINE}/owner/judge.js`, 'engine/dial-and-partner', [
    [
      'watchdog: waits on after the dial has failed',
      "this.#step('Down', 'session down, the dial failed', now);",
      '',
    ],
    ['told: only in answer to ours', 'before !== undefined && isUntold(ours, theirs)', 'false'],
    ['told: an old datagram counts', ' && isNewer(theirs, before)', ''],
    [
      'taker: waits for a partner that has stopped',
      "if (!message.open && this.#waits.isPending('release')) {",
      'if (false) {',
    ],
  ]),
  ...of(`${ENGINE}/owner/acts.js`, 'engine/dial-and-partner', [
    ['taker: dials beside its partner', 'if (standing.partnerDials(now))', 'if (false)'],
    [
      'taker: an end is no more than ignorance',
      'next : changed(next, { facts })',
      'next : { ...next, facts }',
    ],
    ['half-made: not named', 'this.#write({ halfMade: place });', ''],
    ['Identifiers: a refused take steps on', 'this.#unsent = this.#resumed.lcp;', ''],
    ['half-made: left at the AC', 'this.#out.emit(padt(acMac, sessionId));', ''],
    [
      'half-made: not worth a snapshot',
      'facts === null && halfMade === undefined',
      'facts === null',
    ],
  ]),
  ...of(`${ENGINE}/link/discovery.js`, 'engine/dial-and-partner', [
    [
      'watchdog: an AC that has failed is waited for',
      ' && state.sent === 1 && !this.#isAvoided(state.offer.acMac, now)',
      '',
    ],
  ]),
  ...of('protocol/dist/session.js', 'engine/dial-and-partner', [
    [
      'half-made: named behind its end',
      'change.facts === undefined ? before : wholly(before)',
      'before',
    ],
    ['untold: whatever has been said since', 'later.generation === 0 &&', ''],
    [
      'untold: however long ago',
      ' &&\n    (earlier.epoch === later.epoch || taken(earlier, later.holder).epoch === later.epoch)',
      '',
    ],
  ]),
  ...of(`${ENGINE}/ppp/negotiation.js`, 'engine/negotiation', [
    [
      'negotiation: resumed with an old restart counter',
      'this.#restartCounter = MAX_CONFIGURE;\n        this.#transmissions = 0;\n        this.#log',
      'this.#transmissions = 0;\n        this.#log',
    ],
  ]),
  ...of('supervisor/dist/partner.js', 'supervisor/partner-life', [
    ['partner: nonce not renewed after silence', 'this.#renewAfterSilence(conversation);', ''],
    ['partner: silence never ends', 'conversation.freshAt = undefined;', ''],
    [
      'partner: a holder of another pair',
      'if (body !== undefined && ![0, routerId, partnerId]',
      'if (false && ![0, routerId, partnerId]',
    ],
    [
      'partner: an exhausted guard is never renewed',
      'if (isExhausted(conversation.guard))',
      'if (false)',
    ],
  ]),
  ...of('supervisor/dist/store.js', 'system/store', [
    [
      'store: refused text taken for stored',
      'this.#texts.delete(session);\n        const record',
      'const record',
    ],
  ]),
  ...of('supervisor/dist/disk.js', 'system/store', [
    [
      'store: a short write is a whole one',
      'for (let at = 0; at < octets.length;)\n            at += disk.writeSync(fd, octets, at);',
      'disk.writeSync(fd, octets, 0);',
    ],
  ]),
  ...of('supervisor/dist/journal.js', 'system/journal', [
    ['journal: added to after a refusal', 'this.#size = undefined;\n        if', 'if'],
    ['journal: not written anew', 'size + added.length > 2 * this.#held + SPARE', 'false'],
    ['journal: renamed, not fsynced', 'syncDirectory(this.#disk, this.#directory);', ''],
    ['journal: damage is a torn tail', 'isDamaged ||= isTorn', 'isDamaged ||= false'],
  ]),
  ...of('supervisor/dist/store.js', 'system/journal', [
    ['journal: the older of two counts', 'isNewer(alone, journaled)', 'isNewer(journaled, alone)'],
    ['journal: refused text taken for stored', 'this.#texts.delete(session);\n        try', 'try'],
    ['journal: a refusal is not told', 'done(refused);', 'done(undefined);'],
  ]),
  ...of('supervisor/dist/same-message.js', 'supervisor/partner-summary', [
    ['summary: a change is not told', 'sameSnapshot(a.snapshot, b.snapshot) &&', ''],
  ]),
  ...of('supervisor/dist/partner.js', 'supervisor/partner-summary', [
    [
      'summary: vouches for a message that was not believed',
      'if (believed?.counter !== counter || ',
      'if (believed === undefined || ',
    ],
    [
      'summary: replayed ones are believed',
      "if (verdict !== 'fresh')\n            return this.#strangers",
      'if (false)\n            return this.#strangers',
    ],
    ['summary: wants are not answered', 'for (const name of wants) {', 'for (const name of []) {'],
  ]),
  ...of('supervisor/dist/turns.js', 'supervisor/turns', [
    ['turns: everybody dials', 'this.#dialling.size >= AT_ONCE || ', ''],
    [
      'turns: nobody is called',
      'this.#dialling.delete(line);\n        this.#callNext();\n    }',
      '}',
    ],
  ]),
  ...of(`${ENGINE}/owner/actions.js`, 'engine/fast-takeover', [
    ['takeover: announced twice', 'return !isRepeat;', 'return true;'],
  ]),
  ...of(`${ENGINE}/owner/alarm.js`, 'engine/fast-takeover', [
    ['alarm: one path is enough', 'if (Math.abs(heard - seen) > this.#span)', 'if (false)'],
    ['alarm: asleep is dead', 'if (now > after(from,', 'if (false && after(from,'],
    ['alarm: again and again', "this.clear();\n        return 'dead';", "return 'dead';"],
  ]),
  ...of(`${ENGINE}/owner/judge.js`, 'engine/fast-takeover', [
    [
      'alarm: asked by who cannot take over',
      "verdict !== 'dead' || !isReady ||",
      "verdict !== 'dead' ||",
    ],
    ['alarm: a partner that let go is mourned', 'this.#alarm?.clear();', ''],
  ]),
  ...of('helper/dist/claim-pace.js', 'helper/claim-pace', [
    ['claim: as often as asked', 'since < last.waitMs', 'false'],
    ['claim: never more seldom', '2 * last.waitMs', 'last.waitMs'],
  ]),
  ...of('helper/dist/requests.js', 'freebsd/claim', [
    [
      'claim: not configured',
      "policy.mayClaim !== true || policy.policy !== 'follow-carp'",
      'false',
    ],
    ['claim: with nothing to take', "role !== 'BACKUP' || attached === null", 'false'],
  ]),
  ...FREEBSD_MUTANTS,
];
