/** The status page: draws the data from the feed. Composition root of the browser's side. */
import type { StatusJson } from '@ppp-thing/supervisor/api';
import { byId, el, fill, say } from './dom.ts';
import { drawFacts, drawPair, drawPlots, drawTimeline, drawVerdict } from './draw.ts';
import { Feed, type Fresh } from './feed.ts';
import { modelOf, routerName } from './model.ts';
import { plotsOf } from './plot.ts';
import { clock } from './text.ts';
import { timelineOf } from './timeline.ts';

const SHORT = 6;

let most = SHORT;
let last: Fresh | undefined;
let lastAt = 0;
let said = '';

const wanted = (): string | undefined => decodeURIComponent(location.hash.slice(1)) || undefined;
const feed = new Feed({ fresh: draw, away });

function draw(fresh: Fresh): void {
  const { status, history } = fresh;
  const session = status.sessions.find(({ name }) => name === wanted()) ?? status.sessions[0];
  if (session === undefined) return away('no session is configured');
  last = fresh;
  lastAt = Date.now();
  const model = modelOf({ status, session, history });
  drawVerdict(model);
  drawPair(model);
  drawFacts(model.facts);
  if (history !== null) {
    const moves = history.holders.filter(({ isStart }) => !isStart).map(({ time }) => time);
    drawPlots(plotsOf(history.samples, moves));
    drawTimeline(timelineOf(history, status), status.now, most);
  }
  drawSessions(status, session.name);
  const us = routerName(status.routerId);
  say(byId('name'), session.name);
  say(byId('live'), `live from ${us}, ${clock(status.now, status.now)}`);
  say(byId('foot'), `ppp_thing ${status.version} on ${us}. This page only reads.`);
  document.title = `${SIGNS[model.tone]} ${model.headline} · ${session.name}`;
  present(true);
  announce(`${model.word}: ${model.headline}. ${model.protection}`);
}

const SIGNS = { good: '✓', busy: '!', bad: '✕' } as const;

/** Announces each change once to a screen reader. */
function announce(text: string): void {
  if (text !== said) say(byId('said'), text);
  said = text;
}

function drawSessions({ sessions }: StatusJson, current: string): void {
  const names = sessions.map(({ name }) => name);
  byId('sessions').hidden = names.length < 2;
  fill(byId('sessions'), [names, current], () =>
    names.map((name) => {
      const link = el('a', '', name);
      link.setAttribute('href', `#${encodeURIComponent(name)}`);
      if (name === current) link.setAttribute('aria-current', 'page');
      return link;
    }),
  );
}

function away(reason: string): void {
  const seen = last === undefined ? '' : ` What is below is of ${clock(lastAt, Date.now())}.`;
  say(
    byId('away'),
    `Nothing is known of this router now: ${reason}.${seen} Trying again every second.`,
  );
  say(byId('live'), 'not live');
  if (last !== undefined && !byId('main').classList.contains('stale')) {
    say(byId('word'), 'Not live');
    say(byId('headline'), `Last known: ${byId('headline').textContent ?? ''}`);
  }
  document.title = '? not live · ppp-thing';
  said = '';
  present(false);
}

function present(isFresh: boolean): void {
  byId('away').hidden = isFresh;
  byId('main').classList.toggle('stale', !isFresh);
  byId('main').setAttribute('aria-busy', String(last === undefined && isFresh));
  byId('verdict').hidden = last === undefined;
  byId('body').hidden = last === undefined;
}

byId('more').addEventListener('click', () => {
  most = Infinity;
  if (last !== undefined) draw(last);
  // The button disappears; move the keyboard focus to the first new entry.
  const [first] = byId('timeline').querySelectorAll<HTMLElement>(`li:nth-child(${SHORT + 1})`);
  first?.setAttribute('tabindex', '-1');
  first?.focus();
});
window.addEventListener('hashchange', () => feed.show(wanted()));
document.addEventListener('visibilitychange', () => {
  if (document.hidden) feed.pause();
  else feed.show(wanted());
});
feed.show(wanted());
