/**
 * Names of the netgraph nodes that the helper creates on FreeBSD. One definition for the helper, which assigns them,
 * and for doctor, which recognises them. It creates no node. ng_base(4): at most 31 octets, no `.` and no `:`.
 */

/** Prefix of a session's own nodes. */
export const SESSION_NODE = 'pt_';
/** Prefix of a hub whose line was promiscuous before the helper started: leave it so when the hub goes. */
export const HUB_KEEP = 'pthk_';
/** Prefix of a hub whose line the helper made promiscuous: undo that when the hub goes. */
export const HUB_RESTORE = 'pthr_';

/** Whether the name is that of a helper's node on a line's `orphans` hook. */
export const isOurHub = (name: string): boolean =>
  name.startsWith(HUB_KEEP) || name.startsWith(HUB_RESTORE);
