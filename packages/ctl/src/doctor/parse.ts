/** Parses the output of FreeBSD's base tools into facts. It runs none of them. */
import type { InterfaceFacts, ProcessFacts } from './facts.ts';

/** `ifconfig -a`. */
export function parseIfconfig(text: string): readonly InterfaceFacts[] {
  return text.split(/^(?=\S)/m).flatMap((block) => {
    const head = /^([\w.-]+): flags=[\da-f]+<([^>]*)>.* mtu (\d+)/.exec(block);
    if (head === null) return [];
    const [, name = '', flags = '', mtu = ''] = head;
    const status = /^\s*status: (.*)$/m.exec(block)?.[1];
    const pcp = /^\s*vlan: .*vlanpcp: (\d+)/m.exec(block)?.[1];
    const version = /^\s*(?:pfsync: |syncdev|syncpeer).*version: (\d+)/m.exec(block)?.[1];
    return {
      name,
      mac: /^\s*ether ([\da-f:]{17})/m.exec(block)?.[1],
      isVirtual: /^\s*(?:vlan: |groups: .*\b(?:vlan|epair|bridge)\b)/m.test(block),
      pcp: pcp === undefined ? undefined : Number(pcp),
      mtu: Number(mtu),
      isUp: flags.split(',').includes('UP'),
      carrier: status === undefined ? undefined : status !== 'no carrier',
      addresses: Array.from(block.matchAll(/^\s*inet ([\d.]+)/gm), ([, address = '']) => address),
      carp: Array.from(
        block.matchAll(
          /^\s*(?:carp: (\w+) vhid (\d+) advbase \d+ advskew|vrrp: (\w+) vrid (\d+) prio) (\d+)/gm,
        ),
        ([, carp, vhid, vrrp = '', vrid, rank]) =>
          carp === undefined
            ? { state: vrrp, vhid: Number(vrid), priority: Number(rank) }
            : { state: carp, vhid: Number(vhid), advskew: Number(rank) },
      ),
      pfsyncVersion: version === undefined ? undefined : Number(version),
    };
  });
}

/** `kldstat -v`: names of files and of the modules in them. */
export const parseKldstat = (text: string): readonly string[] =>
  Array.from(text.matchAll(/\s([\w/-]+?)(?:\.ko)?(?: \([^)]*\))?$/gm), ([, name = '']) =>
    name.replace(/^.*\//, ''),
  );

/** `ps -axo pid=,comm=,args=`. A name must not contain spaces. */
export const parsePs = (text: string): readonly ProcessFacts[] =>
  Array.from(text.matchAll(/^\s*(\d+)\s+(\S+)\s*(.*)$/gm), ([, pid, name = '', rest = '']) => ({
    pid: Number(pid),
    name,
    arguments: rest,
  }));

/** `pfctl -v -s Interfaces`: the skipped interfaces. */
export const parseSkipped = (text: string): readonly string[] =>
  Array.from(text.matchAll(/^(\S+) \(skip\)/gm), ([, name = '']) => name);

/** `ngctl show igb0:`: the peer of the `orphans` hook, or '' if free. */
export const parseOrphans = (text: string): string => /^\s*orphans\s+(\S+)/m.exec(text)?.[1] ?? '';

/** The interfaces of `ifconfig -a` with the flag ACCEPT_RTADV. */
export const parseAcceptsRa = (text: string): readonly string[] =>
  text.split(/^(?=\S)/m).flatMap((part) => (/ACCEPT_RTADV/.test(part) ? part.split(':', 1) : []));
