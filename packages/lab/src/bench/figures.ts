/** Medians and tails of what a bench has measured, and tables of them in Markdown. It measures nothing. */

/** The value that `share` of the values do not exceed; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1));
  return sorted[at] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** `12.3`, `0.21`, `340`: three digits that count. */
export function short(value: number): string {
  if (Number.isNaN(value)) return '-';
  if (value >= 100) return String(Math.round(value));
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** `median (p99, n)` */
export const spread = (values: readonly number[]): string =>
  values.length === 0
    ? '-'
    : `${short(median(values))} (${short(quantile(values, 0.99))}, ${values.length})`;

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
