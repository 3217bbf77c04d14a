/** The plans kept in test/transcripts, by name. It plays none of them. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Plan } from '@ppp-thing/lab/campaign/plan';

export interface Transcript {
  readonly name: string;
  /** What was wrong with the product when this plan broke a rule; absent if it is kept for a cell it enters. */
  readonly fault?: string;
  readonly rule?: string;
  readonly what?: string;
  /** Cells of ownership's table that are seldom entered, and are here. */
  readonly cells?: readonly string[];
  readonly plan: Plan;
}

// The compiled test runs from test/dist/campaign.
const DIRECTORY = new URL('../../transcripts/', import.meta.url);

export function readTranscripts(): readonly Transcript[] {
  return readdirSync(DIRECTORY)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => {
      const kept: Omit<Transcript, 'name'> = JSON.parse(
        readFileSync(new URL(file, DIRECTORY), 'utf8'),
      );
      return { name: file.replace(/\.json$/, ''), ...kept };
    });
}
