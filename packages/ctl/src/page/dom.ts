/** Elements, made and kept up to date. Text is only ever set as text: what an AC calls itself is never markup. */

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element ${id}`);
  return found;
}

/** Only where it changes: what is the same is not drawn and not announced again. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function el(
  name: string,
  classes: string,
  ...inside: readonly (Node | string)[]
): HTMLElement {
  const made = document.createElement(name);
  if (classes !== '') made.className = classes;
  made.append(...inside);
  return made;
}

export function path(d: string, classes: string): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  made.setAttribute('d', d);
  made.setAttribute('class', classes);
  return made;
}

/** Put these in place of what is there, unless `key`, which says it all, is what it was. */
export function fill(element: Element, key: unknown, make: () => readonly Node[]): void {
  const text = JSON.stringify(key);
  if (shown.get(element) === text) return;
  shown.set(element, text);
  element.replaceChildren(...make());
}

const shown = new WeakMap<Element, string>();
