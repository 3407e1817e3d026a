import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Compression, type Descriptor, digestOf, MEDIA_TYPES } from '@prebuilt/oci';
import { forgedEntry, TAR_END } from '@prebuilt/testing/layers';
import type { FakeRegistry } from '@prebuilt/testing/registry';

/** An entry in a base layer: a folder if the path ends in a slash, a link if there is a target, otherwise a file. */
export interface BaseFile {
  readonly path: string;
  readonly content?: string | Buffer;
  readonly target?: string;
  /** In octal digits. */
  readonly mode?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since 1970. */
  readonly mtime?: number;
}

/** The parameters of a base. */
export interface SampleBase {
  /** The lowest layer first. */
  readonly layers: readonly (readonly BaseFile[])[];
  /** The `config` object of its configuration. */
  readonly config?: object | null;
  /** Other members of its configuration. */
  readonly more?: object;
  readonly compression?: Compression;
  /** Whether to use Docker's media types instead of OCI's. */
  readonly docker?: boolean;
  /** Whether to create only a manifest, without an index. */
  readonly single?: boolean;
  /** Whether the index also contains an attestation for each image, like BuildKit's. */
  readonly attestations?: boolean;
  readonly platforms?: readonly {
    readonly architecture: string;
    readonly os: string;
    readonly variant?: string;
  }[];
}

/** A base in the form that a registry stores. */
export interface MadeBase {
  readonly digest: Descriptor['digest'];
  /** Indexes and manifests, each after what it refers to. */
  readonly manifests: readonly { readonly descriptor: Descriptor; readonly bytes: Buffer }[];
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly bytes: Buffer }[];
}

/** Older than any sample's source date. */
export const BASE_TIME = 1_600_000_000;

/** Like a distroless image: separate folders, users by name, certificates. */
export const DISTROLESS: readonly (readonly BaseFile[])[] = [
  [
    { path: 'etc/' },
    {
      path: 'etc/passwd',
      content: 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/x\n',
    },
    { path: 'etc/group', content: 'root:x:0:\nnonroot:x:65532:\ntape:x:26:\n' },
    { path: 'home/' },
    { path: 'home/nonroot/', mode: '700', uid: 65532, gid: 65532 },
    { path: 'tmp/', mode: '1777' },
  ],
  [
    { path: 'etc/ssl/certs/ca-certificates.crt', content: 'certificates' },
    { path: 'usr/', mtime: 1_900_000_000 },
    { path: 'usr/share/zoneinfo/Europe/Berlin', content: 'zone' },
  ],
];

/** Like Alpine: a single layer, with programs that are links to one program. */
export const ALPINE: readonly (readonly BaseFile[])[] = [
  [
    { path: 'bin/' },
    { path: 'bin/busybox', content: 'busybox', mode: '755' },
    { path: 'bin/sh', target: '/bin/busybox' },
    { path: 'etc/' },
    {
      path: 'etc/passwd',
      content: 'root:x:0:0:root:/root:/bin/sh\nguest:x:405:100:guest:/dev/null:/sbin/nologin\n',
    },
    { path: 'etc/group', content: 'root:x:0:root\nusers:x:100:games\n' },
    { path: 'lib/', gid: 5 },
    { path: 'lib/libc.so.6', content: 'musl', mode: '755' },
    { path: 'usr/' },
    { path: 'usr/local/' },
    { path: 'usr/local/bin/', mode: '2755' },
    { path: 'var/' },
    { path: 'var/run', target: '../run' },
    { path: 'run/' },
    { path: 'old', content: 'gone with the next layer' },
  ],
];

/** Like Debian: /bin and /lib are links, and a later layer removes and replaces files. */
export const DEBIAN: readonly (readonly BaseFile[])[] = [
  [
    { path: 'bin', target: 'usr/bin' },
    { path: 'lib', target: 'usr/lib' },
    { path: 'etc/' },
    { path: 'etc/alternatives/' },
    { path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/x\n' },
    { path: 'etc/group', content: 'root:x:0:\nwww-data:x:33:\nstaff:x:50:\n' },
    { path: 'opt/' },
    { path: 'opt/a/' },
    { path: 'opt/a/b/' },
    { path: 'opt/a/b/file', content: 'x' },
    { path: 'srv/', uid: 7 },
    { path: 'usr/' },
    { path: 'usr/bin/' },
    { path: 'usr/bin/bash', content: 'bash', mode: '755' },
    { path: 'usr/bin/sh', target: 'bash' },
    { path: 'usr/lib/' },
    { path: 'usr/local/' },
    { path: 'usr/local/bin/' },
    { path: 'var/' },
    { path: 'var/lock', target: '/run/lock' },
  ],
  [
    { path: 'opt/', mtime: 1_600_000_001 },
    { path: 'opt/a/', mtime: 1_600_000_002 },
    { path: 'opt/a/.wh.b' },
    { path: 'etc/', mode: '711' },
    { path: 'etc/hostname', content: 'host', mode: '600' },
    { path: 'srv/', uid: 7 },
    { path: 'srv/.wh..wh..opq' },
    { path: 'srv/new', content: 'new' },
  ],
];

const AMD64 = { architecture: 'amd64', os: 'linux' };
const ARM64 = { architecture: 'arm64', os: 'linux', variant: 'v8' };

/** Creates a base for the given platforms, by default linux/amd64 and linux/arm64. */
export function makeBase(sample: SampleBase): MadeBase {
  const { docker = false, compression = 'gzip', platforms = [AMD64, ARM64] } = sample;
  const manifests: { descriptor: Descriptor; bytes: Buffer }[] = [];
  const blobs: { descriptor: Descriptor; bytes: Buffer }[] = [];
  const put = (list: typeof blobs, bytes: Buffer, mediaType: string): Descriptor => {
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
    list.push({ descriptor, bytes });
    return descriptor;
  };
  const tars = sample.layers.map(layerOf);
  const type = `application/vnd.docker.image.rootfs.diff.tar${compression === 'none' ? '' : `.${compression}`}`;
  const own = { none: MEDIA_TYPES.layer, gzip: MEDIA_TYPES.layerGzip, zstd: MEDIA_TYPES.layerZstd }[
    compression
  ];
  const layers = tars.map((tar) => put(blobs, compressed(tar, compression), docker ? type : own));
  const images = (sample.single ? platforms.slice(0, 1) : platforms).map((platform) => {
    const config = {
      ...platform,
      created: '2020-09-13T12:26:40Z',
      config: sample.config === undefined ? {} : sample.config,
      history: tars.map((_, index) => ({
        created: '2020-09-13T12:26:40Z',
        created_by: `layer ${index + 1}`,
      })),
      rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
      ...sample.more,
    };
    const named = put(
      blobs,
      Buffer.from(JSON.stringify(config)),
      docker ? 'application/vnd.docker.container.image.v1+json' : MEDIA_TYPES.config,
    );
    const mediaType = docker ? 'application/vnd.docker.distribution.manifest.v2+json' : MEDIA_TYPES.manifest;
    const manifest = { schemaVersion: 2, mediaType, config: named, layers };
    return { ...put(manifests, Buffer.from(JSON.stringify(manifest)), mediaType), platform };
  });
  const [first] = images;
  if (first === undefined) throw new Error('a base needs at least one platform');
  if (sample.single) return { digest: first.digest, manifests, blobs };
  // https://docs.docker.com/build/metadata/attestations/attestation-storage/
  const attestations = (sample.attestations ? images : []).map((image) => ({
    ...put(
      manifests,
      Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config: image, layers: [] }),
      ),
      MEDIA_TYPES.manifest,
    ),
    annotations: {
      'vnd.docker.reference.digest': image.digest,
      'vnd.docker.reference.type': 'attestation-manifest',
    },
    platform: { architecture: 'unknown', os: 'unknown' },
  }));
  const mediaType = docker ? 'application/vnd.docker.distribution.manifest.list.v2+json' : MEDIA_TYPES.index;
  const index = { schemaVersion: 2, mediaType, manifests: [...attestations, ...images] };
  const { digest } = put(manifests, Buffer.from(JSON.stringify(index)), mediaType);
  return { digest, manifests, blobs };
}

/** Adds a base to a registry's repository, with a tag if given. */
export function putBase(
  registry: Pick<FakeRegistry, 'seed' | 'manifests' | 'tags'>,
  repository: string,
  { digest, manifests, blobs }: MadeBase,
  tag?: string,
): void {
  for (const { bytes } of blobs) registry.seed(repository, bytes);
  for (const { descriptor, bytes } of manifests) {
    registry.manifests.set(`${repository}@${descriptor.digest}`, { bytes, mediaType: descriptor.mediaType });
  }
  if (tag !== undefined) registry.tags.set(`${repository}:${tag}`, digest);
}

function compressed(tar: Buffer, compression: Compression): Buffer {
  if (compression === 'gzip') return gzipSync(tar);
  return compression === 'zstd' ? zstdCompressSync(tar) : tar;
}

function layerOf(files: readonly BaseFile[]): Buffer {
  const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;
  const entries = files.map(({ path, content = '', target, mode, uid = 0, gid = 0, mtime = BASE_TIME }) => {
    const flag = path.endsWith('/') ? '5' : target === undefined ? '0' : '2';
    return forgedEntry(
      {
        name: path,
        flag,
        mode: octal(Number.parseInt(mode ?? { '0': '644', '2': '777', '5': '755' }[flag] ?? '644', 8), 8),
        uid: octal(uid, 8),
        gid: octal(gid, 8),
        mtime: octal(mtime, 12),
        ...(target !== undefined && { target }),
      },
      content,
    );
  });
  return Buffer.concat([...entries, TAR_END]);
}
