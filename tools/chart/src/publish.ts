import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Descriptor, digestOf, MEDIA_TYPES, parseImageRepository } from '@prebuilt/oci';
import { type Artifact, attach, type RepositoryClient } from '@prebuilt/oci/registry';
import { CHART_TYPES, packChart } from './archive.ts';

/** The chart to publish, and its destination. */
export interface ChartPublication {
  /** The folder of the chart. */
  readonly folder: string;
  readonly version: string;
  /** The repository of the image, such as `ghcr.io/acme/mount-monitor`. */
  readonly image: string;
  /** Where charts go, such as `ghcr.io/acme/charts`; the chart's name is appended. */
  readonly charts: string;
}

/** The dependencies of a publish. */
export interface ChartTools {
  clientOf(repository: { readonly registry: string; readonly repository: string }): RepositoryClient;
  /** Signs a digest; undefined to skip signing. */
  readonly sign: ((subject: Descriptor) => Promise<Artifact>) | undefined;
  say(line: string): void;
}

/** A published chart. */
export interface PublishedChart {
  readonly reference: string;
  readonly digest: string;
}

/**
 * Publishes the chart that installs an already published image by its digest. The chart is pushed by digest, read back,
 * signed, and only then tagged with its version. Refuses to move an existing tag that has different content.
 */
export async function publishChart(
  { folder, version, image, charts }: ChartPublication,
  { clientOf, sign, say }: ChartTools,
): Promise<PublishedChart> {
  const source = parseImageRepository(image);
  const imageDigest = await clientOf(source).headManifest(version);
  if (imageDigest === undefined) {
    throw new Error(
      `${image}:${version}: expected the image that the chart installs, found none: publish it first`,
    );
  }
  const blobs = await mkdtemp(join(tmpdir(), 'chart-'));
  try {
    const release = { version, image: { repository: image, digest: imageDigest } };
    const { metadata, archive } = await packChart(folder, release, blobs);
    const reference = `${charts}/${metadata.name}`;
    const client = clientOf(parseImageRepository(reference));
    const config = Buffer.from(JSON.stringify(metadata));
    const configDescriptor = { mediaType: CHART_TYPES.config, digest: digestOf(config), size: config.length };
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.manifest,
        config: configDescriptor,
        layers: [archive.descriptor],
        annotations: {
          'org.opencontainers.image.title': metadata.name,
          'org.opencontainers.image.version': version,
          'org.opencontainers.image.description': String(metadata.description ?? ''),
        },
      }),
    );
    const digest = digestOf(manifest);
    const tag = version.replace('+', '_');
    const before = await client.headManifest(tag);
    if (before !== undefined && before !== digest) {
      throw new Error(
        `${reference}:${tag}: expected no such tag or ${digest}, found ${before}: release another version`,
      );
    }
    await client.uploadBlob(archive.descriptor, (offset) =>
      createReadStream(archive.file, { start: offset }),
    );
    await client.uploadBlob(configDescriptor, async function* (offset) {
      yield config.subarray(offset);
    });
    await client.putManifest(digest, manifest, MEDIA_TYPES.manifest);

    // Read everything back before any tag is set.
    const back = await client.getManifest(digest);
    const content = await client.readBlob(archive.descriptor, archive.descriptor.size);
    const described = await client.readBlob(configDescriptor, configDescriptor.size);
    if (
      !back.bytes.equals(manifest) ||
      !content.equals(await readFile(archive.file)) ||
      !described.equals(config)
    ) {
      throw new Error(
        `${reference}@${digest}: the registry returns a different chart from the one that was sent; no tag was moved`,
      );
    }
    const subject = { mediaType: MEDIA_TYPES.manifest, digest, size: manifest.length };
    if (sign !== undefined) {
      const outcome = await attach(client, subject, await sign(subject));
      say(`${reference}@${digest}: the signature is ${outcome.outcome}`);
      if (outcome.outcome === 'refused')
        throw new Error(`${reference}@${digest}: ${outcome.reason}; no tag was moved`);
    }
    await client.setTag(tag, manifest, MEDIA_TYPES.manifest);
    const named = await client.confirmTag(tag, digest);
    if (named.state !== 'named')
      throw new Error(`${reference}:${tag}: expected ${digest}, found ${named.found}`);
    say(`${reference}:${tag} is ${digest}, and installs ${image}@${imageDigest}`);
    return { reference: `${reference}:${tag}`, digest };
  } finally {
    await rm(blobs, { recursive: true, force: true });
  }
}
