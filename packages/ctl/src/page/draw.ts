/** Draws the model as elements. `model.ts` decides the text. */
import type { Model, RouterModel } from './model.ts';
import type { Plot } from './plot.ts';
import { HEIGHT, WIDTH } from './plot.ts';
import { byId, el, fill, path, say } from './dom.ts';
import { clock } from './text.ts';
import type { Entry } from './timeline.ts';

export function drawVerdict(model: Model): void {
  byId('main').dataset['tone'] = model.tone;
  say(byId('word'), model.word);
  say(byId('headline'), model.headline);
  say(byId('since'), model.since);
  say(byId('protection'), model.protection);
}

export function drawPair({ routers, sync, acName }: Model): void {
  byId('body').classList.toggle('alone', routers.length === 1);
  say(byId('ac'), acName === '' ? 'not met yet' : acName);
  fill(
    byId('wires'),
    routers.map(({ wire }) => wire),
    () => wiresOf(routers),
  );
  const [left, right] = routers.map(({ wire }) => WIRE_WORDS[wire]);
  say(byId('wire-left'), left ?? '');
  say(byId('wire-right'), right ?? '');
  fill(byId('routers'), routers, () => routers.map(card));
  byId('sync').hidden = sync === null;
  byId('sync').className = sync?.isGood === true ? 'yes' : 'no';
  say(byId('sync'), sync?.text ?? '');
}

const WIRE_WORDS = { open: 'gate open', closed: 'gate closed', unknown: 'unknown' } as const;

function card({ name, isThis, stand, word, points }: RouterModel): Node {
  const title = el('h3', '', name);
  if (isThis) title.append(el('small', '', 'this router'));
  const list = points.map(([mark, text]) => el('li', mark, text));
  return el('li', `router ${stand}`, title, el('p', 'word', word), el('ul', 'points', ...list));
}

/** Lines from the AC down to each router. A closed gate is a gap; the open one is thick and drawn last. */
function wiresOf(routers: readonly RouterModel[]): Node[] {
  const places = routers.length === 1 ? [50] : [25, 75];
  const wires = routers.flatMap(({ wire }, i): (readonly [d: string, wire: string])[] => {
    const x = places[i] ?? 50;
    const way = `M50 0V22H${x}`;
    if (wire !== 'closed') return [[`${way}V64`, wire]];
    const gap = `M${x - 2.5} 34h5M${x - 2.5} 46h5M${x} 46V64`;
    return [[`${way}V34${gap}`, wire]];
  });
  wires.sort(([, a], [, b]) => Number(a === 'open') - Number(b === 'open'));
  return wires.map(([d, wire]) => path(d, wire));
}

export function drawFacts(facts: Model['facts']): void {
  fill(byId('facts'), facts, () =>
    facts.flatMap(([name, value]) => [el('dt', '', name), el('dd', '', value)]),
  );
}

/** Titles and legends of the plots. */
const PLOTS = [
  { key: 'echo', title: 'Echo time' },
  { key: 'traffic', title: 'Throughput' },
] as const;

export function drawPlots(plots: Readonly<Record<'echo' | 'traffic', Plot>>): void {
  const place = byId('plots');
  if (place.childElementCount === 0)
    place.append(...PLOTS.map(({ key, title }) => frame(key, title)));
  for (const { key } of PLOTS) {
    const plot = plots[key];
    say(byId(`${key}-now`), plot.now);
    say(byId(`${key}-top`), plot.top);
    say(byId(`${key}-reach`), plot.reach);
    say(byId(`${key}-summary`), plot.summary);
    byId(`${key}-plot`).replaceChildren(
      ...plot.marks.map((x) => path(`M${x} 0V${HEIGHT}`, 'move')),
      ...plot.series.map((series, i) => path(series.path, `s${i}`)),
    );
  }
}

function frame(key: string, title: string): Node {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  for (const [name, value] of Object.entries({
    id: `${key}-plot`,
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: 'none',
    role: 'img',
    'aria-label': `${title}, plotted`,
    'aria-describedby': `${key}-summary`,
  })) {
    svg.setAttribute(name, value);
  }
  const named = (tag: string, classes: string, id: string): HTMLElement => {
    const made = el(tag, classes);
    made.id = `${key}-${id}`;
    return made;
  };
  return el(
    'figure',
    '',
    el('div', 'plot-head', el('h3', '', title), named('p', '', 'now')),
    el('div', 'plot', svg, named('span', 'top', 'top')),
    el('p', 'axis', named('span', '', 'reach'), el('span', '', 'now')),
    named('figcaption', '', 'summary'),
  );
}

export function drawTimeline(entries: readonly Entry[], now: number, most: number): void {
  const shown = entries.slice(0, most);
  fill(byId('timeline'), shown, () =>
    shown.map(({ time, isMove, text, detail }) => {
      const when = el('time', '', clock(time, now));
      when.setAttribute('datetime', new Date(time).toISOString());
      const inside = [when, el('strong', '', text)];
      if (detail !== '') inside.push(el('span', 'detail', detail));
      return el('li', isMove ? 'move' : '', ...inside);
    }),
  );
  const more = byId('more');
  more.hidden = entries.length <= shown.length;
  say(more, `Show ${entries.length - shown.length} earlier`);
}
