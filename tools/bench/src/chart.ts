import { formatQuantity } from './quantity.ts';
import type { BenchResult, Side } from './runner.ts';

const WIDTH = 720;
const LABEL = 70;
const BAR = 26;
const TOP = 44;

/**
 * A bar for each side, of its median, with a line from its minimum to its maximum. The colours read on light and
 * dark pages. An SVG 1.1 document, the same for the same result.
 */
export function pairChart(result: BenchResult): string {
  const sides: readonly (readonly [string, string, Side])[] = [
    ['ours', '#2f81f7', result.ours],
    ['theirs', '#8b949e', result.theirs],
  ];
  const longest = Math.max(...sides.map(([, , { summary }]) => summary.max));
  const room = WIDTH - LABEL - 150;
  const x = (value: number) => Number((LABEL + (longest > 0 ? value / longest : 0) * room).toFixed(1));
  const rows = sides.flatMap(([label, colour, { summary }], index) => {
    const y = TOP + index * (BAR + 14);
    const middle = y + BAR / 2;
    return [
      `<text x="${LABEL - 8}" y="${middle + 4}" text-anchor="end">${label}</text>`,
      `<rect x="${LABEL}" y="${y}" width="${Number((x(summary.median) - LABEL).toFixed(1))}" height="${BAR}" rx="3" fill="${colour}"/>`,
      `<path d="M${x(summary.min)} ${middle}H${x(summary.max)}M${x(summary.min)} ${middle - 5}v10M${x(summary.max)} ${middle - 5}v10" stroke="#d29922" stroke-width="2" fill="none"/>`,
      `<text x="${x(summary.max) + 8}" y="${middle + 4}">${formatQuantity(summary.median, result.unit)}</text>`,
    ];
  });
  const height = TOP + sides.length * (BAR + 14) + 6;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="13" fill="#768390">`,
    `<title>${escapeXml(result.title)}</title>`,
    `<text x="${LABEL}" y="22" font-size="15" font-weight="600">${escapeXml(result.title)}</text>`,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
