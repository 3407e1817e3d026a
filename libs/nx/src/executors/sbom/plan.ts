import { PackageURL } from 'packageurl-js';
import type { ListedArchiveEntry } from '../../artifacts/listed.ts';
import type { ListedGroup, Manifest, ManifestComponent, PlatformArtifact } from '../../artifacts/manifest.ts';

/** A package or file in an image, in CycloneDX's terms. */
export interface SbomComponent {
  readonly type: 'library' | 'framework' | 'file';
  readonly name: string;
  readonly group?: string;
  readonly version?: string;
  /** https://github.com/package-url/purl-spec */
  readonly purl?: string;
  /** An SPDX expression. */
  readonly license?: string;
  /** In hexadecimal. */
  readonly sha256?: string;
  /** The files that the package put into the image, or the files in the archive. */
  readonly files: readonly SbomComponent[];
}

/** The bill of materials of one platform's image. */
export interface SbomPlan {
  readonly fileName: string;
  /** `urn:uuid:…`, derived from the manifest and the platform, so that the same build always has the same one. */
  readonly serialNumber: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly program: SbomComponent;
  readonly components: readonly SbomComponent[];
}

/**
 * Lists the content of each platform's image, from the manifest: the executables, their components (libraries and the
 * language runtime), and the distribution packages with their files. Files without a package (from the workspace, or
 * from a sysroot not made from packages) are listed individually, and archives with the files in them. `uuidOf` derives
 * a UUID from a text.
 */
export function planSboms(
  { manifest, sha256 }: { readonly manifest: Manifest; readonly sha256: string },
  uuidOf: (text: string) => string,
): readonly SbomPlan[] {
  return manifest.platforms.map((artifact) => ({
    fileName: `${artifact.path}.cdx.json`,
    serialNumber: `urn:uuid:${uuidOf(`${sha256} ${artifact.platform}`)}`,
    timestamp: manifest.sourceDateEpoch,
    program: {
      type: 'file',
      name: artifact.path,
      version: manifest.version,
      purl: `pkg:generic/${encodeURIComponent(manifest.name)}@${encodeURIComponent(manifest.version)}?checksum=sha256:${artifact.sha256}`,
      sha256: artifact.sha256,
      files: [],
    },
    components: [
      ...(artifact.others ?? []).map(
        ({ path, sha256: content }): SbomComponent => ({
          type: 'file',
          name: path,
          version: manifest.version,
          sha256: content,
          files: [],
        }),
      ),
      ...[...manifest.components, ...artifact.components].map(describeComponent),
      ...distributedFiles([...artifact.runtime.files, ...listedFiles(manifest.files ?? [])]),
    ],
  }));
}

function describeComponent({ kind, purl, license }: ManifestComponent): SbomComponent {
  const { namespace, name, version } = PackageURL.fromString(purl);
  return {
    type: kind,
    name: name ?? purl,
    ...(namespace ? { group: namespace } : {}),
    ...(version ? { version } : {}),
    purl,
    ...(license === undefined ? {} : { license }),
    files: [],
  };
}

type DistributedFile = Pick<PlatformArtifact['runtime']['files'][number], 'path' | 'sha256' | 'package'> & {
  /** The files in it, if it is an archive. */
  readonly contents?: readonly SbomComponent[];
};

function listedFiles(groups: readonly ListedGroup[]): readonly DistributedFile[] {
  return groups.flatMap(({ origin, files }) => {
    const { kind, ...described } = origin;
    const owner = origin.kind === 'package' ? (described as DistributedFile['package']) : null;
    return files.map(({ path, sha256, archive }) => ({
      path,
      sha256,
      package: owner,
      contents: archive?.kind === 'entries' ? filesInside(archive.entries) : [],
    }));
  });
}

// Paths are relative to the archive: the Dockerfile decides where to unpack it.
function filesInside(entries: readonly ListedArchiveEntry[]): readonly SbomComponent[] {
  return entries.flatMap((entry) =>
    entry.type === 'file'
      ? [{ type: 'file' as const, name: entry.path, sha256: entry.sha256, files: [] }]
      : [],
  );
}

function distributedFiles(files: readonly DistributedFile[]): readonly SbomComponent[] {
  const packages = new Map<string, SbomComponent & { readonly files: SbomComponent[] }>();
  const loose: SbomComponent[] = [];
  for (const { path, sha256, package: owner, contents = [] } of files) {
    const file: SbomComponent = { type: 'file', name: `/${path}`, sha256, files: contents };
    if (owner === null) {
      loose.push(file);
      continue;
    }
    const { name, version, architecture, distribution = 'debian' } = owner;
    // Built by hand, because the library does not encode "+", which the specification requires.
    const purl = `pkg:deb/${distribution}/${name}@${encodeURIComponent(version)}?arch=${architecture}`;
    const known = packages.get(purl) ?? {
      type: 'library',
      name: owner.name,
      version: owner.version,
      purl,
      files: [],
    };
    packages.set(purl, known);
    known.files.push(file);
  }
  return [...packages.values(), ...loose];
}
