/** The disk calls of the store, and durable writes. It knows no formats. */

/** The functions of node:fs that the store uses. */
export interface Disk {
  mkdirSync(path: string, options: { readonly recursive: true; readonly mode: number }): unknown;
  openSync(path: string, flags: 'r' | 'w' | 'a', mode?: number): number;
  readFileSync(path: string, encoding: 'utf8'): string;
  /** @returns the number of octets written from `at` on */
  writeSync(fd: number, octets: Uint8Array, at: number): number;
  fsyncSync(fd: number): void;
  closeSync(fd: number): void;
  renameSync(from: string, to: string): void;
}

/** Write `text` and fsync it. @param flags `a` appends */
export function writeDurably(disk: Disk, path: string, text: string, flags: 'w' | 'a' = 'w'): void {
  const fd = disk.openSync(path, flags, 0o600);
  try {
    const octets = Buffer.from(text);
    for (let at = 0; at < octets.length;) at += disk.writeSync(fd, octets, at);
    disk.fsyncSync(fd);
  } finally {
    disk.closeSync(fd);
  }
}

/** A rename is durable only after an fsync of its directory. A file that is only read can be fsynced too. */
export function syncDirectory(disk: Disk, directory: string): void {
  const fd = disk.openSync(directory, 'r');
  try {
    disk.fsyncSync(fd);
  } finally {
    disk.closeSync(fd);
  }
}
