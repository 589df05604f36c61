/**
 * The plot of `headrace sim capacity`: pinned bytes, waiting uploads and refused writes over simulated time, one above the other,
 * as an SVG (W3C, "Scalable Vector Graphics 2") that needs no script, style sheet or font of its own.
 */
import { formatDuration } from '../core/quantities.js';
import { MINUTE_MS, SECOND_MS } from '../core/units.js';
import { byteTicks, countTicks, timeTicks } from './axis-ticks.js';
import { formatBytes } from './printer.js';
import type { CapacityReport } from './simulator.js';

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly colour: string;
  readonly values: readonly number[];
  readonly heightPx: number;
  readonly drawsBars: boolean;
  /** The top of the axis. */
  readonly end: number;
  readonly ticks: readonly number[];
  readonly format: (value: number) => string;
  readonly limit?: { readonly value: number; readonly label: string };
}

const WIDTH_PX = 960;
const LEFT_PX = 92;
const RIGHT_PX = 24;
const TOP_PX = 88;
const GAP_PX = 44;
const BOTTOM_PX = 52;
const INNER_PX = WIDTH_PX - LEFT_PX - RIGHT_PX;
const TIME_TICKS_MAX = 12;
const VALUE_TICKS_MAX = 5;
/** Free space above the largest value. */
const HEADROOM = 1.08;
const COLOURS = {
  pinned: '#1f6feb',
  queue: '#8250df',
  refused: '#cf222e',
  limit: '#bf5b04',
  outage: '#fff1d6',
  grid: '#e4e7eb',
  axis: '#8c959f',
  text: '#24292f',
  faint: '#57606a',
} as const;

/** A whole SVG document. */
export function capacityPlot(report: CapacityReport): string {
  const { scenario, seed, spanMs, outages } = report;
  const panels = panelsOf(report);
  const bottoms: number[] = [];
  let y = TOP_PX;
  for (const { heightPx } of panels) {
    bottoms.push(y + heightPx);
    y += heightPx + GAP_PX;
  }
  const heightPx = y - GAP_PX + BOTTOM_PX;
  const endMs = Math.max(1, spanMs);
  const xOf = (atMs: number): number => LEFT_PX + (Math.min(atMs, endMs) / endMs) * INNER_PX;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH_PX} ${heightPx}" width="${WIDTH_PX}" height="${heightPx}" font-family="system-ui, 'Helvetica Neue', Arial, sans-serif" font-size="12" fill="${COLOURS.text}" role="img">`,
    `<title>${escaped(`Capacity of ${scenario}, seed ${seed}`)}</title>`,
    `<rect width="${WIDTH_PX}" height="${heightPx}" fill="#ffffff"/>`,
    text(LEFT_PX, 30, `Capacity of ${scenario}, seed ${seed}`, 'font-size="17" font-weight="600"'),
    ...legend(panels, outages.length > 0),
  ];
  for (const [at, panel] of panels.entries()) {
    const bottom = bottoms[at] ?? 0;
    const top = bottom - panel.heightPx;
    for (const { fromMs, toMs } of outages) {
      const [from, to] = [xOf(fromMs), xOf(toMs)];
      parts.push(rect(from, top, Math.max(1, to - from), panel.heightPx, COLOURS.outage));
    }
    parts.push(...timeAxis(endMs, xOf, top, bottom, at === panels.length - 1));
    parts.push(...drawn(panel, report.series.widthMs, xOf, top, bottom));
  }
  parts.push(
    text(
      LEFT_PX + INNER_PX / 2,
      heightPx - 12,
      'simulated time',
      `text-anchor="middle" fill="${COLOURS.faint}"`,
    ),
    '</svg>',
  );
  return `${parts.join('\n')}\n`;
}

function panelsOf({ series, pinnedLimitBytes }: CapacityReport): Panel[] {
  const pinnedEnd = Math.max(pinnedLimitBytes, ...series.pinnedBytes, 1) * HEADROOM;
  const counted = (values: readonly number[]): { end: number; ticks: number[] } => {
    const end = Math.max(1, ...values) * HEADROOM;
    return { end, ticks: countTicks(end, VALUE_TICKS_MAX) };
  };
  return [
    {
      title: 'Pinned',
      unit: 'bytes',
      colour: COLOURS.pinned,
      values: series.pinnedBytes,
      heightPx: 240,
      drawsBars: false,
      end: pinnedEnd,
      ticks: byteTicks(pinnedEnd, VALUE_TICKS_MAX),
      format: formatBytes,
      limit: { value: pinnedLimitBytes, label: `limit ${formatBytes(pinnedLimitBytes)}` },
    },
    {
      title: 'Waiting for their upload',
      unit: 'objects',
      colour: COLOURS.queue,
      values: series.queuedUploads,
      heightPx: 130,
      drawsBars: false,
      ...counted(series.queuedUploads),
      format: String,
    },
    {
      title: 'Refused',
      unit: `writes in each ${spanOf(series.widthMs)}`,
      colour: COLOURS.refused,
      values: series.refusals,
      heightPx: 100,
      drawsBars: true,
      ...counted(series.refusals),
      format: String,
    },
  ];
}

function legend(panels: readonly Panel[], hasOutages: boolean): string[] {
  const entries = [
    ...panels.map(({ title, colour }) => ({ label: title, colour })),
    { label: 'Pinned limit', colour: COLOURS.limit },
    ...(hasOutages ? [{ label: 'Under-store away', colour: COLOURS.outage }] : []),
  ];
  const parts: string[] = [];
  let x = LEFT_PX;
  for (const { label, colour } of entries) {
    parts.push(
      `<rect x="${x}" y="42" width="12" height="12" rx="2" fill="${colour}" stroke="${COLOURS.axis}" stroke-width="0.5"/>`,
      text(x + 18, 52, label, `fill="${COLOURS.faint}"`),
    );
    x += 18 + label.length * 7 + 22;
  }
  return parts;
}

function timeAxis(
  endMs: number,
  xOf: (atMs: number) => number,
  top: number,
  bottom: number,
  hasLabels: boolean,
): string[] {
  return timeTicks(endMs, TIME_TICKS_MAX).flatMap((atMs) => {
    const x = xOf(atMs);
    const grid = line(x, top, x, bottom, COLOURS.grid);
    if (!hasLabels) return [grid];
    const label = atMs === 0 ? '0' : formatDuration(atMs);
    return [grid, text(x, bottom + 18, label, `text-anchor="middle" fill="${COLOURS.faint}"`)];
  });
}

function drawn(
  panel: Panel,
  widthMs: number,
  xOf: (atMs: number) => number,
  top: number,
  bottom: number,
): string[] {
  const { values, colour, end, limit } = panel;
  const yOf = (value: number): number => bottom - (value / end) * (bottom - top);
  const marks = panel.ticks.flatMap((value) => [
    line(LEFT_PX, yOf(value), LEFT_PX + INNER_PX, yOf(value), COLOURS.grid),
    text(LEFT_PX - 8, yOf(value) + 4, panel.format(value), `text-anchor="end" fill="${COLOURS.faint}"`),
  ]);
  const shape = panel.drawsBars
    ? values.flatMap((value, at) => {
        const x = xOf(at * widthMs);
        const width = Math.max(1, xOf((at + 1) * widthMs) - x);
        return value === 0 ? [] : [rect(x, yOf(value), width, bottom - yOf(value), colour)];
      })
    : stepped(values, colour, (at) => xOf(at * widthMs), yOf, bottom);
  return [
    ...marks,
    ...shape,
    ...(limit === undefined
      ? []
      : [
          line(
            LEFT_PX,
            yOf(limit.value),
            LEFT_PX + INNER_PX,
            yOf(limit.value),
            COLOURS.limit,
            'stroke-dasharray="6 4"',
          ),
          text(
            LEFT_PX + INNER_PX - 4,
            yOf(limit.value) + 14,
            limit.label,
            `text-anchor="end" fill="${COLOURS.limit}"`,
          ),
        ]),
    line(LEFT_PX, bottom, LEFT_PX + INNER_PX, bottom, COLOURS.axis),
    line(LEFT_PX, top, LEFT_PX, bottom, COLOURS.axis),
    text(LEFT_PX, top - 8, `${panel.title} (${panel.unit})`, 'font-weight="600"'),
  ];
}

/** A value holds for its whole interval. */
function stepped(
  values: readonly number[],
  colour: string,
  xOf: (at: number) => number,
  yOf: (value: number) => number,
  bottom: number,
): string[] {
  if (values.length === 0) return [];
  const steps = values.map((value, at) => `V${short(yOf(value))}H${short(xOf(at + 1))}`).join('');
  const first = short(xOf(0));
  return [
    `<path d="M${first} ${short(bottom)}${steps}V${short(bottom)}Z" fill="${colour}" fill-opacity="0.14"/>`,
    `<path d="M${first} ${short(bottom)}${steps}" fill="none" stroke="${colour}" stroke-width="1.5" stroke-linejoin="round"/>`,
  ];
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string, more = ''): string {
  return `<line x1="${short(x1)}" y1="${short(y1)}" x2="${short(x2)}" y2="${short(y2)}" stroke="${colour}" ${more}/>`;
}

function rect(x: number, y: number, width: number, height: number, colour: string): string {
  return `<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" fill="${colour}"/>`;
}

function text(x: number, y: number, content: string, more = ''): string {
  return `<text x="${short(x)}" y="${short(y)}" ${more}>${escaped(content)}</text>`;
}

/** To three digits: nobody reads the width of an interval more exactly. */
function spanOf(durationMs: number): string {
  if (durationMs < SECOND_MS) return formatDuration(durationMs);
  if (durationMs < 2 * MINUTE_MS) return `${Number((durationMs / SECOND_MS).toPrecision(3))} s`;
  return `${Number((durationMs / MINUTE_MS).toPrecision(3))} min`;
}

/** A tenth of a pixel is exact enough, and short. */
function short(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Names come from a document: nothing of them may be read as markup, and XML allows no control characters. */
function escaped(content: string): string {
  return content
    .replace(/[\x00-\x1f\x7f]/g, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
