import type { Bundling } from './bundle.ts';
import { PackError } from './errors.ts';
import type { Rescope } from './scope.ts';

/** The part of a package.json that is rewritten when the package is packed. */
export interface SourceManifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly files?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly bundled?: Bundling;
  readonly publishConfig?: Readonly<Record<string, unknown>> & { readonly exports?: unknown };
  readonly [key: string]: unknown;
}

/** The inputs of a published manifest besides its source. */
export interface Publication {
  readonly rescope: Rescope;
  /** The version of each published package in this workspace, by its name in the sources. */
  readonly versions: ReadonlyMap<string, string>;
  /** Names of packages in this workspace that are never published. */
  readonly privateNames: ReadonlySet<string>;
  /** Such as `https://github.com/acme/tools`; without it, the manifest has no `repository`. */
  readonly repository: string | undefined;
  /** The package's folder in the repository. */
  readonly directory: string;
}

// Used only in this workspace.
const LEFT_OUT = new Set([
  'private',
  'scripts',
  'devDependencies',
  'nx',
  'exports',
  'bundled',
  'publishConfig',
]);

/**
 * The package.json of the published package: with `publishConfig.exports` in place of the source exports, as in pnpm
 * and Yarn; with internal dependencies at exactly the version published with it; and without fields that only this
 * workspace uses. Throws MANIFEST if the published package could not be used.
 *
 * @see https://pnpm.io/package_json#publishconfig
 */
export function publishedManifest(source: SourceManifest, publication: Publication): string {
  const { exports, ...publishConfig } = source.publishConfig ?? {};
  if (source.private === true) throw refusal(source, 'expected a package to publish, found "private": true');
  if (exports === undefined) throw refusal(source, 'expected publishConfig.exports, found none');
  const { repository, directory } = publication;
  const kept = Object.entries(source).filter(([key]) => !LEFT_OUT.has(key));
  const manifest = {
    ...Object.fromEntries(kept),
    ...(repository === undefined
      ? {}
      : { repository: { type: 'git', url: `git+${repository}.git`, directory } }),
    exports,
    ...(source.dependencies === undefined ? {} : { dependencies: published(source, publication) }),
    publishConfig,
  };
  return publication.rescope(`${JSON.stringify(manifest, undefined, 2)}\n`);
}

function published(source: SourceManifest, publication: Publication): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(source.dependencies ?? {}).map(([name, range]) => {
      if (publication.privateNames.has(name)) {
        throw refusal(source, `expected published dependencies, found ${name}, which is private`);
      }
      return [name, publication.versions.get(name) ?? range];
    }),
  );
}

function refusal({ name }: SourceManifest, message: string): PackError {
  return new PackError('MANIFEST', `${name}/package.json: ${message}`);
}
