import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { runOk } from './workspace.ts';

/** One platform's image as read by independent tools. */
export interface UnpackedImage {
  readonly architecture: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The container configuration: user, entry point, labels, and so on. */
  readonly config: unknown;
  /** The digests of the uncompressed layers. */
  readonly layers: readonly string[];
  /** The SHA-256 of the executable, in hex. */
  readonly executable: string;
}

/** The digest of a layout's only index, from index.json. */
export async function indexDigest(layout: string): Promise<string> {
  const { manifests }: { manifests: readonly { digest: string }[] } = JSON.parse(
    await readFile(join(layout, 'index.json'), 'utf8'),
  );
  const [index, ...rest] = manifests;
  if (index === undefined || rest.length > 0) {
    throw new Error(`${layout}/index.json: expected one manifest, found ${manifests.length}`);
  }
  return index.digest;
}

/**
 * Reads one platform of a layout with skopeo, unpacks it with umoci, and hashes the executable at the given path.
 * Platforms are given as `amd64` or `arm/v7`.
 */
export async function unpackImage(
  layout: string,
  platform: string,
  path = 'mount-monitor',
): Promise<UnpackedImage> {
  const work = await mkdtemp(join(tmpdir(), 'unpack-'));
  try {
    const [architecture, variant] = platform.split('/');
    const choose = [
      '--override-os=linux',
      `--override-arch=${architecture}`,
      ...(variant === undefined ? [] : [`--override-variant=${variant}`]),
    ];
    const inspected = JSON.parse(await runOk(work, 'skopeo', [...choose, 'inspect', `oci:${layout}`]));
    const configuration: { config: unknown; rootfs: { diff_ids: readonly string[] } } = JSON.parse(
      await runOk(work, 'skopeo', [...choose, 'inspect', '--config', '--raw', `oci:${layout}`]),
    );
    const single = join(work, 'single');
    await runOk(work, 'skopeo', [...choose, 'copy', '--quiet', `oci:${layout}`, `oci:${single}:image`]);
    const bundle = join(work, 'bundle');
    await mkdir(bundle);
    await runOk(work, 'umoci', ['unpack', '--rootless', '--image', `${single}:image`, bundle]);
    return {
      architecture: inspected.Architecture,
      labels: inspected.Labels,
      config: configuration.config,
      layers: configuration.rootfs.diff_ids,
      executable: await sha256Of(join(bundle, 'rootfs', path)),
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The SHA-256 of a file, in hex. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
