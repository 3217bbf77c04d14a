import t from 'tap';
import { Samples, SAMPLES } from '@ppp-thing/supervisor/history';

const at = (time: number) => ({ time, echoRttMs: 1.25, octetsIn: time * 1e9, octetsOut: null });

t.test('samples › none are told before there is one', async (t) => {
  t.strictSame(new Samples().after(0), []);
});

t.test('samples › the newest are kept, as they came, oldest first', async (t) => {
  const samples = new Samples();
  const times = Array.from({ length: SAMPLES + 7 }, (_, i) => i + 1);
  for (const time of times) samples.add(at(time));
  t.strictSame(samples.after(0), times.slice(7).map(at));
});

t.test('samples › what a reader has had is left out', async (t) => {
  const samples = new Samples();
  for (const time of [10, 20, 30]) samples.add(at(time));
  t.strictSame(samples.after(20), [at(30)]);
  t.strictSame(samples.after(30), []);
});

t.test('samples › what was not known then is null', async (t) => {
  const samples = new Samples();
  const unknown = { time: 1, echoRttMs: null, octetsIn: null, octetsOut: null };
  samples.add(unknown);
  t.strictSame(samples.after(0), [unknown]);
});
