/** The files of the status page, read once at the start. No other file is served. */
import { readdirSync, readFileSync } from 'node:fs';

export interface PageFile {
  readonly type: string;
  readonly body: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  js: 'text/javascript; charset=utf-8',
};

/** By path: `/`, `/style.css`, `/page/main.js` … */
export function loadFiles(): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  const add = (folder: URL, prefix: string): void => {
    for (const name of readdirSync(folder)) {
      const type = TYPES[name.split('.').at(-1) ?? ''];
      if (type === undefined) continue;
      const path = name === 'index.html' ? '/' : `${prefix}${name}`;
      files.set(path, { type, body: readFileSync(new URL(name, folder)) });
    }
  };
  add(new URL('../web/', import.meta.url), '/');
  // The compiled page is beside this file.
  add(new URL('./page/', import.meta.url), '/page/');
  return files;
}
