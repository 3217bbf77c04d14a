/** Type of the data that the page fetches from `pppthingctl web`. */
import type { HistoryJson, StatusJson } from '@ppp-thing/supervisor/api';

export interface PageData {
  /** Null while the supervisor does not answer. */
  readonly status: StatusJson | null;
  /** Of the requested session, or of the first. */
  readonly history: HistoryJson | null;
  /** Why a part is missing. */
  readonly error: string | null;
}
