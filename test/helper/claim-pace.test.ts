/** How often the role may be asked for. */
import { ClaimPace } from '@ppp-thing/helper/claim-pace';
import t from 'tap';

t.test('claim › seldom, and more seldom each time, for each vhid by itself', async (t) => {
  const pace = new ClaimPace();
  t.ok(pace.mayClaim('1@lan0', 0));
  t.notOk(pace.mayClaim('1@lan0', 9_999));
  t.ok(pace.mayClaim('2@lan0', 9_999));
  t.ok(pace.mayClaim('1@lan0', 10_000));
  t.notOk(pace.mayClaim('1@lan0', 29_999));
  t.ok(pace.mayClaim('1@lan0', 30_000));
  let granted = 0;
  for (let now = 30_000; now < 24 * 3_600_000; now += 1000)
    granted += pace.mayClaim('1@lan0', now) ? 1 : 0;
  t.ok(granted <= 32, `${granted} in a day of asking each second`);
  t.ok(granted >= 20, 'never not at all');
});

t.test('claim › after hours without one it may be asked for as at first', async (t) => {
  const pace = new ClaimPace();
  for (const at of [0, 10_000, 30_000, 70_000]) t.ok(pace.mayClaim('1@lan0', at));
  t.ok(pace.mayClaim('1@lan0', 8_000_000));
  t.ok(pace.mayClaim('1@lan0', 8_010_000));
});
