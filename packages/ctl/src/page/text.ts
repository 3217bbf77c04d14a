/** Formats numbers and times for people. It knows no element and no fact. */

/** `0.4 s`, `12 s`, `3 min`, `5 h 2 min`, `4 d 3 h` */
export function span(ms: number): string {
  const seconds = Math.max(ms, 0) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

const two = (n: number): string => String(n).padStart(2, '0');

/** `03:12:09` in the browser's time zone, preceded by the date unless that is today's. */
export function clock(time: number, now: number): string {
  const at = new Date(time);
  const hms = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  if (at.toDateString() === new Date(now).toDateString()) return hms;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${hms}`;
}

/** `0 bit/s`, `67 kbit/s`, `1.5 Mbit/s`, with three digits at most. */
export function bits(perSecond: number): string {
  let value = perSecond;
  let unit = 'bit/s';
  for (const next of ['kbit/s', 'Mbit/s', 'Gbit/s']) {
    if (value < 999.5) break;
    value /= 1000;
    unit = next;
  }
  return `${three(value)} ${unit}`;
}

/** `0.42 ms`, `1.8 ms`, `120 ms` */
export const milliseconds = (ms: number): string => `${three(ms)} ms`;

function three(value: number): string {
  if (value === 0 || value >= 99.5 || Number.isInteger(value)) return String(Math.round(value));
  return value >= 9.95 ? value.toFixed(1) : value.toFixed(value < 0.995 ? 2 : 1);
}
