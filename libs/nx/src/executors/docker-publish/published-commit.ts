import { type DescriptorPlatform, OciError, parseImageConfig } from '@prebuilt/oci';
import { type DocumentSource, readImage } from '@prebuilt/oci/registry';

/**
 * Reads the full commit that the image for a platform names in `org.opencontainers.image.revision`
 * (https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md). Undefined if there is none: the image may
 * be anyone's, and this only makes an error clearer, so it throws no `OciError`.
 */
export async function readPublishedCommit(
  source: DocumentSource,
  reference: string,
  platform: DescriptorPlatform,
): Promise<string | undefined> {
  try {
    const { configBytes } = await readImage(source, reference, platform);
    const { config } = parseImageConfig(configBytes, reference);
    const revision = config?.Labels?.['org.opencontainers.image.revision'];
    return revision !== undefined && /^[0-9a-f]{40,64}$/.test(revision) ? revision : undefined;
  } catch (error) {
    if (error instanceof OciError) return undefined;
    throw error;
  }
}
