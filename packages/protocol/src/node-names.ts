/**
 * The names of the netgraph nodes that the helper makes on FreeBSD: one definition for the helper, which gives them, and
 * for doctor, which recognises them. ng_base(4): at most 31 octets, no `.` and no `:`.
 */

/** Of a session's own nodes. */
export const SESSION_NODE = 'pt_';
/** Of the hub on a line that was promiscuous already when the helper came. */
export const HUB_KEEP = 'pthk_';
/** Of the hub on a line that the helper made promiscuous, and makes so no longer when it goes. */
export const HUB_RESTORE = 'pthr_';

/** Whether a node of this name is one that the helper puts on a line's `orphans` hook. */
export const isOurHub = (name: string): boolean =>
  name.startsWith(HUB_KEEP) || name.startsWith(HUB_RESTORE);
