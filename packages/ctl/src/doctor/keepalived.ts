/** keepalived.conf as facts: the virtual addresses and their interfaces. It reads no file and judges nothing. */
import { known, unknown, type Known, type VrrpFacts, type VrrpInstance } from './facts.ts';

/** A line, and the contents of the braces after it. */
interface Statement {
  readonly words: readonly string[];
  readonly block: Statement[];
}

/** Comments begin with `!` or `#`; a brace may share its line with words. */
function statements(text: string): readonly Statement[] {
  const lines = text
    .replaceAll(/[!#].*$/gm, '')
    .replaceAll(/[{}]/g, '\n$&\n')
    .split('\n')
    .map((line) => line.trim());
  const open: Statement[][] = [[]];
  for (const line of lines) {
    const block = open.at(-1);
    if (line === '' || block === undefined) continue;
    if (line === '{') open.push(block.at(-1)?.block ?? []);
    else if (line === '}') open.pop();
    else block.push({ words: line.split(/\s+/), block: [] });
  }
  return open[0] ?? [];
}

/** The arguments of the first `name` in a block. */
const valueOf = (block: readonly Statement[], name: string): readonly string[] | undefined =>
  block.find(({ words }) => words[0] === name)?.words.slice(1);

/**
 * keepalived puts an address without an interface of its own on the instance's interface, or on the macvlan it creates.
 */
function instance({ words, block }: Statement): VrrpInstance {
  const router = valueOf(block, 'virtual_router_id')?.[0] ?? '';
  const vmac = valueOf(block, 'use_vmac');
  const usual = vmac ? (vmac[0] ?? `vrrp.${router}`) : (valueOf(block, 'interface')?.[0] ?? '');
  const addresses = block
    .filter(({ words: [name] }) => name?.startsWith('virtual_ipaddress') === true)
    .flatMap((list) => list.block)
    .map(({ words: [address = '', ...rest] }) => ({
      address: address.replace(/\/.*/, ''),
      interface: rest.includes('dev') ? (rest[rest.indexOf('dev') + 1] ?? '') : usual,
    }));
  return {
    name: words[1] ?? '',
    usesVmac: vmac !== undefined,
    virtualRouterId: Number(router),
    addresses,
  };
}

/** Parses keepalived.conf(5). */
export function parseKeepalived(text: string): Known<VrrpFacts> {
  const all = statements(text);
  if (all.some(({ words: [name] }) => name?.startsWith('include') === true))
    return unknown('keepalived.conf includes other files, which doctor does not read');
  const tracked = all
    .filter(({ words: [name] }) => name === 'track_file' || name === 'vrrp_track_file')
    .flatMap(({ block }) => valueOf(block, 'file')?.[0] ?? []);
  const instances = all.filter(({ words: [name] }) => name === 'vrrp_instance').map(instance);
  return known({ instances, tracked: tracked.map((path) => path.replaceAll('"', '')) });
}
