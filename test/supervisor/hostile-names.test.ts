/**
 * The names that an AC chooses, in everything that shows them: whatever octets they have, no answer gets a line, a label, a
 * field or an escape of theirs.
 */
import t from 'tap';
import { FACTS, SNAPSHOT } from '../fixtures/partner.ts';
import { holding } from './status-bench.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
/** What would be a sample, a field, an event, an element or an escape, if it were not made safe. */
const NAMES: readonly Uint8Array[] = [
  text('x"} 1\ninjected{a="b"} 1\n#'),
  text('","injected":true,"x":"\\'),
  text('\n\ndata: injected\n\nevent: injected\n'),
  text('<script>injected()</script><img src=x onerror=injected()>'),
  text('\u001b]0;injected\u0007\u001b[2J\u202einjected\u2028injected'),
  Uint8Array.of(0xff, 0xc0, 0x80, 0x0a, 0xed, 0xa0, 0x80, 0x0d, 0x00, 0xf8),
  text('a'.repeat(700)),
];
/** A sample of Prometheus's text format whose label values need no escape. */
const SAMPLE =
  /^[a-z0-9_]+(?:\{[a-z]+="[A-Za-z0-9.+ _-]*"(?:,[a-z]+="[A-Za-z0-9.+ _-]*")*\})? \S+$/;
const unsafe = /[^\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]/u;

t.test('names › an AC puts no line, label or field of its own into any answer', async (t) => {
  for (const name of NAMES) {
    const stored = { ...SNAPSHOT, facts: { ...FACTS, acName: name, serviceName: name } };
    const { ask, reports } = await holding(t, { stored });
    const status = (await ask('status', 'GET', '/v1/status')).body;
    const [session] = (JSON.parse(status) as { sessions: { session: { acName: string } }[] })
      .sessions;
    t.notMatch(session?.session.acName, unsafe);
    t.notMatch(Object.keys(session ?? {}).join(), /injected/);
    t.ok((session?.session.acName.length ?? Infinity) <= 1024);

    const metrics = (await ask('status', 'GET', '/v1/metrics')).body;
    const samples = metrics.split('\n').filter((line) => line !== '' && !line.startsWith('# '));
    t.ok(samples.length > 20);
    t.strictSame(
      samples.filter((line) => !SAMPLE.test(line)),
      [],
    );
    t.notMatch(metrics, /injected/);

    const events = (await ask('status', 'GET', '/v1/events?follow=no')).body;
    const lines = events.split('\n').filter((line) => line !== '');
    t.strictSame(
      lines.filter((line) => !/^(?:id|event|data|retry): ?\S/.test(line) && !line.startsWith(':')),
      [],
    );
    t.notMatch(lines.join('\n'), /^(?:event|data): injected/m);
    for (const line of lines) t.notMatch(line, unsafe);
    t.strictSame(reports, []);
  }
});
