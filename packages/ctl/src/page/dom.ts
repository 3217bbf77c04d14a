/** Creates and updates elements. Text is only ever set as text: an AC's name is never markup. */

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element ${id}`);
  return found;
}

/** Sets the text only if it differs: otherwise the browser redraws and announces it again. */
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

/**
 * Replaces the children, unless `key` is the same as last time. `key` must hold everything that the children depend on.
 */
export function fill(element: Element, key: unknown, make: () => readonly Node[]): void {
  const text = JSON.stringify(key);
  if (shown.get(element) === text) return;
  shown.set(element, text);
  element.replaceChildren(...make());
}

const shown = new WeakMap<Element, string>();
