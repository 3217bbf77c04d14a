/** What the page gets from `pppthingctl web`, as a type. */
import type { HistoryJson, StatusJson } from '@ppp-thing/supervisor/api';

export interface PageData {
  /** Null while the supervisor does not answer. */
  readonly status: StatusJson | null;
  /** Of the session that was asked for, or of the first. */
  readonly history: HistoryJson | null;
  /** Why something of it is missing. */
  readonly error: string | null;
}
