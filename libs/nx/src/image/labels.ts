import { rfc3339 } from '@prebuilt/oci';
import type { Manifest, PlatformArtifact } from '../artifacts/manifest.ts';
import type { PackageFacts } from './package-facts.ts';

/** The maintainer's labels for an image. Missing ones are derived from the manifest and package.json. */
export interface LabelOptions {
  readonly imageTitle?: string;
  readonly imageSource?: string;
  readonly imageLicenses?: string;
}

/** The label with the digest of the executable in the image. */
export const EXECUTABLE_DIGEST_LABEL = 'dev.prebuilt.executable.digest';

/**
 * The labels for one platform's image.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#pre-defined-annotation-keys
 */
export function imageLabels(
  options: LabelOptions,
  manifest: Manifest,
  artifact: PlatformArtifact,
  { repository, license }: PackageFacts,
): Readonly<Record<string, string>> {
  const source = options.imageSource ?? repository;
  const licenses = options.imageLicenses ?? license;
  return {
    'org.opencontainers.image.title': options.imageTitle ?? manifest.name,
    'org.opencontainers.image.version': manifest.version,
    ...(manifest.revision !== null && { 'org.opencontainers.image.revision': manifest.revision }),
    'org.opencontainers.image.created': rfc3339(manifest.sourceDateEpoch),
    ...(source !== undefined && { 'org.opencontainers.image.source': source }),
    ...(licenses !== undefined && { 'org.opencontainers.image.licenses': licenses }),
    [EXECUTABLE_DIGEST_LABEL]: `sha256:${artifact.sha256}`,
  };
}
