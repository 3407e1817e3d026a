import { OciError, parseImageConfig, parseImageIndex, parseImageManifest } from '@prebuilt/oci';
import type { RepositoryClient } from '@prebuilt/oci/registry';

/** The largest configuration to read, in bytes. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/**
 * Reads the full commit that the first image of an index names in `org.opencontainers.image.revision`
 * (https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md). Undefined if there is none: the image may
 * be anyone's, and this only makes an error clearer, so it throws no `OciError`.
 */
export async function readPublishedCommit(
  client: RepositoryClient,
  reference: string,
): Promise<string | undefined> {
  try {
    const { manifests } = parseImageIndex((await client.getManifest(reference)).bytes, reference);
    const [first] = manifests;
    if (first === undefined) return undefined;
    const { config } = parseImageManifest((await client.getManifest(first.digest)).bytes, first.digest);
    const image = parseImageConfig(await client.readBlob(config, MAX_CONFIG_BYTES), config.digest);
    const revision = image.config?.Labels?.['org.opencontainers.image.revision'];
    return revision !== undefined && /^[0-9a-f]{40,64}$/.test(revision) ? revision : undefined;
  } catch (error) {
    if (error instanceof OciError) return undefined;
    throw error;
  }
}
