/** Turns samples into the paths and labels of two plots: echo time and throughput. Pure; times are milliseconds. */
import type { SampleJson } from '@ppp-thing/supervisor/api';
import { bits, milliseconds, span } from './text.ts';

interface Series {
  readonly name: string;
  /** An SVG path in the plot's box: x 0 to WIDTH, y 0 to HEIGHT downwards. Unknown values are gaps. */
  readonly path: string;
}

export interface Plot {
  /** The newest value, shown beside the title. */
  readonly now: string;
  /** The whole plot in a sentence. */
  readonly summary: string;
  readonly series: readonly Series[];
  /** Label of the top edge. */
  readonly top: string;
  /** Label of the left edge: how long ago it was. */
  readonly reach: string;
  /** X positions at which the session moved. */
  readonly marks: readonly number[];
}

export const WIDTH = 600;
export const HEIGHT = 120;
const SHORTEST_MS = 60_000;
const LONGEST_MS = 600_000;

type Point = readonly [time: number, value: number | null];

interface Frame {
  readonly from: number;
  readonly to: number;
  readonly moves: readonly number[];
}

/** @param moves times at which the holder changed */
export function plotsOf(
  samples: readonly SampleJson[],
  moves: readonly number[],
): { readonly echo: Plot; readonly traffic: Plot } {
  const to = samples.at(-1)?.time ?? 0;
  const length = Math.min(Math.max(to - (samples[0]?.time ?? to), SHORTEST_MS), LONGEST_MS);
  const frame = { from: to - length, to, moves };
  return { echo: echoPlot(samples, frame), traffic: trafficPlot(samples, frame) };
}

function echoPlot(samples: readonly SampleJson[], frame: Frame): Plot {
  const points = samples.map(({ time, echoRttMs }): Point => [time, echoRttMs]);
  const known = valuesOf(points);
  const last = points.at(-1)?.[1] ?? null;
  const summary =
    known.length === 0
      ? 'The AC has not answered this router in this time.'
      : `Echoes took ${milliseconds(median(known))} in the middle, at most ${milliseconds(Math.max(...known))}.`;
  return {
    ...drawn([['echo time', points]], frame, milliseconds),
    now: last === null ? 'none' : milliseconds(last),
    summary,
  };
}

function trafficPlot(samples: readonly SampleJson[], frame: Frame): Plot {
  const down = rates(samples, ({ octetsIn }) => octetsIn);
  const up = rates(samples, ({ octetsOut }) => octetsOut);
  const now = (points: readonly Point[]): string => bits(points.at(-1)?.[1] ?? 0);
  const most = (points: readonly Point[]): string => bits(Math.max(0, ...valuesOf(points)));
  const plot = drawn(
    [
      ['in', down],
      ['out', up],
    ],
    frame,
    bits,
  );
  return {
    ...plot,
    now: `in ${now(down)}, out ${now(up)}`,
    summary: `At most ${most(down)} in (solid) and ${most(up)} out (dashed).`,
  };
}

/** Bits per second between consecutive samples; unknown where the counter was reset. */
function rates(
  samples: readonly SampleJson[],
  octets: (sample: SampleJson) => number | null,
): Point[] {
  return samples.slice(1).map((sample, i): Point => {
    const before = samples[i];
    const [a, b] = [before === undefined ? null : octets(before), octets(sample)];
    const elapsed = sample.time - (before?.time ?? 0);
    const isKnown = a !== null && b !== null && b >= a && elapsed > 0;
    return [sample.time, isKnown ? ((b - a) * 8000) / elapsed : null];
  });
}

function drawn(
  all: readonly (readonly [string, readonly Point[]])[],
  { from, to, moves }: Frame,
  said: (value: number) => string,
): Pick<Plot, 'series' | 'top' | 'reach' | 'marks'> {
  const top = ceiling(Math.max(0, ...all.flatMap(([, points]) => valuesOf(points))));
  const x = (time: number): number => ((time - from) / Math.max(to - from, 1)) * WIDTH;
  const path = (points: readonly Point[]): string => {
    let isDown = false;
    return points
      .map(([time, value]) => {
        if (value === null || time < from) {
          isDown = false;
          return '';
        }
        const step = `${isDown ? 'L' : 'M'}${fixed(x(time))} ${fixed((1 - value / top) * HEIGHT)}`;
        isDown = true;
        return step;
      })
      .join('');
  };
  return {
    series: all.map(([name, points]) => ({ name, path: path(points) })),
    top: said(top),
    reach: `${span(to - from)} ago`,
    marks: moves.filter((time) => time > from && time <= to).map((time) => Math.round(x(time))),
  };
}

/** The next number above of 1, 2, 5, 10, 20 … */
function ceiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return (
    [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 1.05) ?? 20 * power
  );
}

const fixed = (n: number): string => n.toFixed(1);
const valuesOf = (points: readonly Point[]): number[] =>
  points.flatMap(([, value]) => (value === null ? [] : [value]));

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
