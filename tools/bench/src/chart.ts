import type { GrowthPoint, GrowthResult } from './growth.ts';
import { formatQuantity } from './quantity.ts';
import type { BenchResult, Side } from './runner.ts';

const WIDTH = 720;
const LABEL = 70;
const BAR = 26;
const TOP = 44;

/**
 * Draws a bar per side for its median, with a line from its minimum to its maximum. The colors are readable on light
 * and dark pages. Returns an SVG 1.1 document; the same result always gives the same document.
 */
export function pairChart(result: BenchResult): string {
  const sides: readonly (readonly [string, string, Side])[] = [
    ['ours', '#2f81f7', result.ours],
    ['theirs', '#8b949e', result.theirs],
  ];
  const longest = Math.max(...sides.map(([, , { summary }]) => summary.max));
  const room = WIDTH - LABEL - 150;
  const x = (value: number) => Number((LABEL + (longest > 0 ? value / longest : 0) * room).toFixed(1));
  const rows = sides.flatMap(([label, color, { summary }], index) => {
    const y = TOP + index * (BAR + 14);
    const middle = y + BAR / 2;
    return [
      `<text x="${LABEL - 8}" y="${middle + 4}" text-anchor="end">${label}</text>`,
      `<rect x="${LABEL}" y="${y}" width="${Number((x(summary.median) - LABEL).toFixed(1))}" height="${BAR}" rx="3" fill="${color}"/>`,
      `<path d="M${x(summary.min)} ${middle}H${x(summary.max)}M${x(summary.min)} ${middle - 5}v10M${x(summary.max)} ${middle - 5}v10" stroke="#d29922" stroke-width="2" fill="none"/>`,
      `<text x="${x(summary.max) + 8}" y="${middle + 4}">${formatQuantity(summary.median, result.unit)}</text>`,
    ];
  });
  return svg(result.title, TOP + sides.length * (BAR + 14) + 6, rows);
}

const PLOT = 240;
const LEFT = 80;
const RIGHT = WIDTH - 90;

/**
 * Plots time (left axis) and memory (right axis) against the amount of work, both from zero, so that linear growth is
 * a straight line. Returns an SVG 1.1 document; the same result always gives the same document.
 */
export function growthChart({ title, axis, points }: GrowthResult): string {
  const most = Math.max(...points.map(({ point }) => point));
  const x = (point: number) => Number((LEFT + (point / most) * (RIGHT - LEFT)).toFixed(1));
  const times = line(points, x, '#2f81f7', ({ summary }) => summary.median);
  const memory = line(points, x, '#d29922', ({ peakBytes }) => peakBytes);
  const bottom = TOP + PLOT;
  return svg(title, bottom + 48, [
    `<path d="M${LEFT} ${TOP}V${bottom}H${RIGHT}V${TOP}" stroke="#768390" fill="none"/>`,
    ...points.map(({ point }) => `<path d="M${x(point)} ${bottom}v5" stroke="#768390"/>`),
    `<text x="${LEFT}" y="${bottom + 20}" text-anchor="middle">0</text>`,
    `<text x="${RIGHT}" y="${bottom + 20}" text-anchor="middle">${most} ${escapeXml(axis)}</text>`,
    `<text x="${LEFT - 8}" y="${TOP + 4}" text-anchor="end" fill="#2f81f7">${formatQuantity(times.most, 'ms')}</text>`,
    ...times.elements,
    ...(memory.most > 0
      ? [
          `<text x="${RIGHT + 8}" y="${TOP + 4}" fill="#d29922">${formatQuantity(memory.most, 'bytes')}</text>`,
          ...memory.elements,
        ]
      : []),
    `<text x="${LEFT}" y="${bottom + 40}"><tspan fill="#2f81f7">time</tspan> and <tspan fill="#d29922">memory</tspan></text>`,
  ]);
}

/** A line through the points of one quantity, scaled to its own largest value. */
function line(
  points: readonly GrowthPoint[],
  x: (point: number) => number,
  color: string,
  value: (point: GrowthPoint) => number | undefined,
): { readonly most: number; readonly elements: readonly string[] } {
  const known = points.flatMap((each) => {
    const found = value(each);
    return found === undefined ? [] : [{ point: each.point, value: found }];
  });
  const most = Math.max(0, ...known.map((each) => each.value));
  const at = known.map((each) => ({
    x: x(each.point),
    y: Number((TOP + PLOT - (most > 0 ? each.value / most : 0) * PLOT).toFixed(1)),
  }));
  return {
    most,
    elements: [
      `<path d="M${at.map((each) => `${each.x} ${each.y}`).join('L')}" stroke="${color}" stroke-width="2" fill="none"/>`,
      ...at.map((each) => `<circle cx="${each.x}" cy="${each.y}" r="4" fill="${color}"/>`),
    ],
  };
}

function svg(title: string, height: number, elements: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="13" fill="#768390">`,
    `<title>${escapeXml(title)}</title>`,
    `<text x="${LABEL}" y="22" font-size="15" font-weight="600">${escapeXml(title)}</text>`,
    ...elements,
    '</svg>',
    '',
  ].join('\n');
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
