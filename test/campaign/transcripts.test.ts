/** Every plan that once broke a rule is played again. It looks for no new ones: `campaign.test.ts` does. */
import { run } from '@ppp-thing/lab/campaign/world';
import t from 'tap';
import { readTranscripts } from './transcripts.ts';

const transcripts = readTranscripts();

void t.test('transcripts › there are some of bugs, and some of seldom cells', (t) => {
  t.ok(transcripts.filter(({ fault }) => fault !== undefined).length >= 10);
  t.ok(transcripts.filter(({ cells }) => cells !== undefined).length >= 10);
  t.end();
});

for (const { name, fault, plan } of transcripts) {
  const title = `transcripts › ${name}${fault === undefined ? '' : ` › no longer: ${fault}`}`;
  void t.test(title, (t) => {
    const { violation } = run(plan);
    t.equal(violation, undefined);
    t.end();
  });
}
