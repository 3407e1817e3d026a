import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Descriptor, type LayerEntry, writeLayer } from '@prebuilt/oci';
import { parse } from 'yaml';

/** The media types of a chart in a registry: https://helm.sh/docs/topics/registries/#helm-chart-manifest */
export const CHART_TYPES = {
  config: 'application/vnd.cncf.helm.config.v1+json',
  content: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
} as const;

/** A chart, ready to publish. */
export interface PackedChart {
  /** Chart.yaml, which Helm stores as the config of the manifest. */
  readonly metadata: Readonly<Record<string, unknown>> & { readonly name: string; readonly version: string };
  readonly archive: { readonly descriptor: Descriptor; readonly file: string };
}

/** The version of a chart, and the exact image that it installs. */
export interface ChartRelease {
  readonly version: string;
  /** The repository of the image and the digest of its index. */
  readonly image: { readonly repository: string; readonly digest: string };
}

/** Replaces the value on the one line that matches `line`. Throws unless there is exactly one such line. */
function setValue(text: string, line: RegExp, value: string, file: string): string {
  const found = text.match(new RegExp(line.source, 'gm'))?.length ?? 0;
  if (found !== 1) throw new Error(`${file}: expected one line ${line.source}, found ${found}`);
  return text.replace(new RegExp(line.source, 'm'), (_, key: string) => `${key} ${JSON.stringify(value)}`);
}

/** Writes the release into Chart.yaml and values.yaml; leaves other files unchanged. */
function released(path: string, text: string, { version, image }: ChartRelease): string {
  if (path === 'Chart.yaml') {
    const versioned = setValue(text, /^(version:).*$/, version, path);
    return setValue(versioned, /^(appVersion:).*$/, version, path);
  }
  if (path === 'values.yaml') {
    const named = setValue(text, /^( {2}repository:).*$/, image.repository, path);
    return setValue(named, /^( {2}digest:).*$/, image.digest, path);
  }
  return text;
}

/**
 * Packs a chart's folder as Helm does, under a folder named after the chart, into a file in `blobs`. The same chart and
 * release always give the same bytes.
 */
export async function packChart(folder: string, release: ChartRelease, blobs: string): Promise<PackedChart> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
  const files = await Promise.all(
    paths.map(async (path) => {
      const text = released(path, await readFile(join(folder, path), 'utf8'), release);
      return { path, content: Buffer.from(text) };
    }),
  );
  const chart = files.find(({ path }) => path === 'Chart.yaml');
  if (chart === undefined) throw new Error(`${folder}: expected a Chart.yaml, found none`);
  const metadata = parse(chart.content.toString('utf8'));
  // Chart.yaml goes first, as in archives made by Helm.
  const ordered = [chart, ...files.filter((file) => file !== chart)];
  const layer = await writeLayer(
    blobs,
    ordered.map(
      ({ path, content }): LayerEntry => ({
        type: 'file',
        path: `${metadata.name}/${path}`,
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: 0,
        size: content.length,
        content: async function* () {
          yield content;
        },
      }),
    ),
    { compression: 'gzip' },
  );
  const { digest, size } = layer.descriptor;
  return {
    metadata,
    archive: {
      descriptor: { mediaType: CHART_TYPES.content, digest, size },
      file: join(blobs, digest.slice('sha256:'.length)),
    },
  };
}
