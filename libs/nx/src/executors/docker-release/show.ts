import { tableLines } from '../../github/table.ts';
import type { LayerProgress } from '../../image/builder.ts';
import { describeReduced } from '../../image/merged-proof.ts';
import type { DockerReleasePlan } from './plan.ts';
import type { DockerRelease, ReleaseProgress } from './run.ts';

/** Where to show progress. */
export interface Terminal {
  readonly isTTY: boolean;
  readonly write: (text: string) => void;
}

/**
 * Shows lines as they come, and the progress of each layer in bytes: on a terminal as one line that is updated,
 * elsewhere as one line per finished layer.
 */
export function showProgress(terminal: Terminal): ReleaseProgress {
  const current = new Map<string, string>();
  let shown = '';
  const draw = (): void => {
    const text = [...current.values()].join('   ');
    if (text === shown) return;
    shown = text;
    terminal.write(`\r${text}\u001b[K`);
  };
  return {
    line: (text) => terminal.write(`${text}\n`),
    layer: (progress) => {
      const finished = progress.done === progress.total;
      if (finished) {
        current.delete(progress.platform);
        terminal.write(`${terminal.isTTY ? '\r\u001b[K' : ''}${layerText(progress)}\n`);
        shown = '';
      } else {
        current.set(progress.platform, layerText(progress));
      }
      if (terminal.isTTY) draw();
    },
  };
}

function layerText({ platform, layer, layers, done, total }: LayerProgress): string {
  const bytes = done === total ? formatSize(total) : `${formatSize(done)} of ${formatSize(total)}`;
  return `${platform} layer ${layer}/${layers}: ${bytes}`;
}

/** What a release will do, as text. */
export function formatPlan(plan: DockerReleasePlan): string {
  const lines = [
    `${plan.name} ${plan.version}: ${plan.platforms.map(({ platform }) => platform).join(', ')}`,
    `builder: ${plan.builder} (${plan.reason})`,
    `output: ${plan.outputPath}, ${plan.compression}`,
    ...[...new Set(plan.platforms.flatMap(({ image }) => image.unplanned.map(({ what }) => what)))].map(
      (what) => `proof: reduced, because of ${what}`,
    ),
  ];
  for (const { platform, labels, image, command } of plan.platforms) {
    lines.push('', platform);
    for (const [name, value] of Object.entries(labels)) lines.push(`  ${name}=${value}`);
    for (const { createdBy, emptyLayer } of image.history)
      lines.push(`  ${emptyLayer ? ' ' : '+'} ${createdBy}`);
    if (command !== undefined)
      lines.push(`  $ ${[command.file, ...command.args].map(quoteArgument).join(' ')}`);
  }
  return lines.join('\n');
}

/** What a release produced, as a table. */
export function formatRelease({ digest, images }: DockerRelease): string {
  const rows = [['platform', 'digest', 'size', 'time'], ...images.map(columns)];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const table = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [...table, `index ${digest}`, ...baseLines(images), ...reducedLines(images)].join('\n');
}

// Always say what the proof does not cover.
function baseLines(images: DockerRelease['images']): readonly string[] {
  return images.flatMap(({ platform, base }) =>
    base === undefined
      ? []
      : [
          `${platform}: ${base.layers} layers come from the base ${base.reference} and were compared by digest only: their content was not read`,
        ],
  );
}

function reducedLines(images: DockerRelease['images']): readonly string[] {
  return images.flatMap(({ platform, reducedProof }) =>
    reducedProof === undefined ? [] : [`${platform}: ${describeReduced(reducedProof)}`],
  );
}

/** What a release produced, as Markdown for a job's summary. */
export function summarizeRelease(plan: DockerReleasePlan, { digest, images }: DockerRelease): string {
  return [
    `### Image ${plan.name} ${plan.version}`,
    '',
    `Index \`${digest}\`, built by ${plan.builder} (${plan.reason}).`,
    '',
    ...tableLines(
      ['platform', 'digest', '>size', '>time'],
      images
        .map(columns)
        .map(([platform = '', imageDigest, size = '', time = '']) => [
          platform,
          `\`${imageDigest}\``,
          size,
          time,
        ]),
    ),
    ...[...baseLines(images), ...reducedLines(images)].map((line) => `\n${line}.`),
  ].join('\n');
}

function columns({ platform, digest, size, timeMs }: DockerRelease['images'][number]): readonly string[] {
  return [platform, digest, formatSize(size), `${(timeMs / 1000).toFixed(1)} s`];
}

function formatSize(bytes: number): string {
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function quoteArgument(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
