import t from 'tap';
import { processorOf } from '@ppp-thing/lab/kernel/uml';

t.test('guests › they spread over the processors that the host may use', async (t) => {
  t.same(
    [10, 11, 12].map((number) => processorOf('0-1', number)),
    [0, 1, 0],
  );
  t.same(
    [0, 1, 2, 3].map((number) => processorOf('4-5,9', number)),
    [4, 5, 9, 4],
  );
  t.equal(processorOf('7', 12_345), 7);
});
