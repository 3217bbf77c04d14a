/**
 * Archives whose octets depend on nothing but what is in them: tar(5) and ar(5), with one date, root's ownership and sorted
 * names. Only files and directories; it reads and compresses nothing.
 */

const BLOCK = 512;

/** A field of `size` octets in octal, as every tar reads it. */
const octal = (number, size) => `${number.toString(8).padStart(size - 1, '0')}\0`;

function header({ name, type, mode, size, seconds, owner, group }) {
  const block = Buffer.alloc(BLOCK);
  const put = (at, text) => void block.write(text, at, 'latin1');
  put(0, name);
  put(100, octal(mode, 8));
  put(108, octal(0, 8));
  put(116, octal(0, 8));
  put(124, octal(size, 12));
  put(136, octal(seconds, 12));
  put(148, ' '.repeat(8));
  put(156, type);
  put(257, 'ustar');
  put(263, '00');
  put(265, owner);
  put(297, group);
  const sum = block.reduce((total, octet) => total + octet, 0);
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `);
  return block;
}

const padded = (octets) =>
  Buffer.concat([octets, Buffer.alloc((BLOCK - (octets.length % BLOCK)) % BLOCK)]);

/** The record of pax(1) that gives the next file a name of any length (POSIX.1-2001). */
function longName(name, entry) {
  const record = (length) => `${length} path=${name}\n`;
  let length = record(0).length;
  while (record(length).length !== length) length = record(length).length;
  const octets = Buffer.from(record(length));
  return [
    header({ ...entry, name: 'pax', type: 'x', mode: 0o644, size: octets.length }),
    padded(octets),
  ];
}

/**
 * @param entries  `{ name, octets?, mode, owner?, group? }`, in this order; without octets it is a directory
 * @param seconds  the date of every entry, since the Epoch
 */
export function tar(entries, seconds) {
  const blocks = entries.flatMap(({ name, octets, mode, owner = 'root', group = 'root' }) => {
    const isDirectory = octets === undefined;
    const size = octets?.length ?? 0;
    const entry = { name, type: isDirectory ? '5' : '0', mode, size, seconds, owner, group };
    const before = Buffer.byteLength(name) > 100 ? longName(name, entry) : [];
    const fitting = { ...entry, name: name.slice(0, 100) };
    return [...before, header(fitting), ...(isDirectory ? [] : [padded(octets)])];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

/** @param members  `[name, octets]`, in this order; names of at most 15 octets */
export function ar(members, seconds) {
  const parts = members.flatMap(([name, octets]) => {
    const fields = [name.padEnd(16), String(seconds).padEnd(12), '0'.padEnd(6), '0'.padEnd(6)];
    const head = `${fields.join('')}${'100644'.padEnd(8)}${String(octets.length).padEnd(10)}\`\n`;
    return [Buffer.from(head), octets, Buffer.alloc(octets.length % 2, '\n')];
  });
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts]);
}
