import {
  type Descriptor,
  type Digest,
  digestHex,
  formatImageReference,
  type ImageLayout,
  isTag,
  MEDIA_TYPES,
  parseImageReference,
  platformName,
  REF_NAME,
} from '@prebuilt/oci';
import { PrebuiltError } from '../../errors.ts';
import type { Command } from '../../process/command.ts';
import type { DockerLoadOptions } from './options.ts';

/** How an image will be loaded, and under which name. */
export interface DockerLoadPlan {
  readonly engine: DockerLoadOptions['engine'];
  /** The full reference, such as `docker.io/library/server:1.2.3`. */
  readonly reference: string;
  /** The digest of the index, as the registry will have it once it is published. */
  readonly digest: Digest;
  readonly platforms: readonly string[];
  /** The platform for an engine whose store only supports one. */
  readonly platform: string;
  /** The command that reads the archive from its standard input. */
  readonly command: Command;
  /** The small files in the archive, by path. */
  readonly documents: Readonly<Record<string, string>>;
  /** The layout's folder, absolute. */
  readonly inputPath: string;
  readonly blobs: readonly Descriptor[];
}

/** The annotation from which containerd takes the name of an imported image. */
const IMAGE_NAME = 'io.containerd.image.name';

/**
 * Plans how to load a layout into an engine. The archive is an OCI layout of all platforms, with the name where
 * containerd looks for it. At the same time, it has the form that `docker save` writes for the machine's own platform,
 * which is what podman and engines without containerd's store read. Throws `INVALID_OPTIONS`.
 * https://github.com/containerd/containerd/blob/v1.7.27/images/archive/importer.go
 * https://docs.docker.com/reference/cli/docker/image/save/
 */
export function planDockerLoad(
  { image, engine, namespace }: DockerLoadOptions,
  { folder, root, index, images }: ImageLayout,
  host: string | undefined,
): DockerLoadPlan {
  const reference = referenceOf(image, root.annotations?.[REF_NAME]);
  const own = images.find(({ platform }) => platformName(platform) === host) ?? images[0];
  if (own === undefined) throw new Error(`${folder}: holds no image`);
  const path = ({ digest }: { readonly digest: Digest }): string => `blobs/sha256/${digestHex(digest)}`;
  const blobs = new Map(
    [
      ...(index === undefined ? [] : [root]),
      ...images.flatMap(({ descriptor, manifest }) => [descriptor, manifest.config, ...manifest.layers]),
    ].map((descriptor) => [descriptor.digest, descriptor] as const),
  );
  const { annotations: _, ...descriptor } = root;
  const annotations = {
    [IMAGE_NAME]: reference,
    [REF_NAME]: reference.slice(reference.lastIndexOf(':') + 1),
  };
  return {
    engine,
    reference,
    digest: root.digest,
    platforms: images.map(({ platform }) => platformName(platform)),
    platform: platformName(own.platform),
    command: commandOf(engine, namespace),
    documents: {
      'oci-layout': JSON.stringify({ imageLayoutVersion: '1.0.0' }),
      'index.json': JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.index,
        manifests: [{ ...descriptor, annotations }],
      }),
      'manifest.json': JSON.stringify([
        { Config: path(own.manifest.config), RepoTags: [reference], Layers: own.manifest.layers.map(path) },
      ]),
    },
    inputPath: folder,
    blobs: [...blobs.values()],
  };
}

function referenceOf(image: string, version: string | undefined): string {
  const { registry, repository, tag, digest } = parseImageReference(image);
  if (digest !== undefined) {
    throw new PrebuiltError('INVALID_OPTIONS', `image: expected a name with a tag, found ${image}`, {
      hint: 'Leave out the digest: the loaded image has its own.',
    });
  }
  // A tag can't contain the "+" of a version.
  const named = tag ?? version?.replaceAll('+', '-');
  if (named !== undefined && isTag(named)) return formatImageReference({ registry, repository, tag: named });
  throw new PrebuiltError('INVALID_OPTIONS', `image: expected a name with a tag, found ${image}`, {
    hint: `The layout has no version that can be used as a tag. Pass one: --image=${image}:dev`,
  });
}

function commandOf(engine: DockerLoadOptions['engine'], namespace: string): Command {
  switch (engine) {
    case 'docker':
      return { file: 'docker', args: ['load'] };
    case 'podman':
      return { file: 'podman', args: ['load'] };
    case 'containerd':
      return { file: 'ctr', args: [`--namespace=${namespace}`, 'images', 'import', '-'] };
  }
}
