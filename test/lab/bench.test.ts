/** The bench in small, judged by counts and ratios alone: a loaded machine makes no time of it wrong. */
import t from 'tap';
import { median, quantile, short, spread, table } from '@ppp-thing/lab/bench/figures';
import { measureEdge } from '@ppp-thing/lab/bench/lines';

t.test('bench › an edge costs each of many lines no more calls than a line alone', async (t) => {
  const one = await measureEdge(1, 2, 0);
  const many = await measureEdge(40, 2, 0);
  t.ok(one.calls <= 40, `${one.calls} calls for one line`);
  t.ok(many.calls / 40 <= one.calls, `${many.calls} calls for 40 lines, ${one.calls} for one`);
  for (const { gateMs, routeMs } of [one, many]) {
    t.equal(gateMs.length, 2);
    gateMs.forEach((gate, i) =>
      t.ok(gate <= (routeMs[i] ?? 0), 'every gate before the last route'),
    );
  }
});

t.test('bench › medians and tails', async (t) => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  t.equal(median(values), 50);
  t.equal(quantile(values, 0.99), 99);
  t.equal(quantile([7], 0.99), 7);
  t.ok(Number.isNaN(median([])));
  t.strictSame([123.4, 12.34, 1.234, NaN].map(short), ['123', '12.3', '1.23', '-']);
  t.equal(spread([1, 2, 3]), '2.00 (3.00, 3)');
  t.equal(spread([]), '-');
  t.equal(table(['a', 'b'], [['1', '2']]), '| a | b |\n| --- | --- |\n| 1 | 2 |');
});
