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

/** What a published manifest depends on, beyond its source. */
export interface Publication {
  readonly rescope: Rescope;
  /** The version of each package of this workspace that is published too, by the name in the sources. */
  readonly versions: ReadonlyMap<string, string>;
  /** Names of packages of this workspace that are never published. */
  readonly privateNames: ReadonlySet<string>;
  /** As `https://github.com/acme/tools`; without it the manifest has no `repository`. */
  readonly repository: string | undefined;
  /** The package's folder in the repository. */
  readonly directory: string;
}

// Of use in this workspace alone.
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
 * The package.json of the published package: `publishConfig.exports` in place of the exports of the sources, as pnpm
 * and Yarn do it; internal dependencies at exactly the version that is published with it; nothing of what only this
 * workspace uses. Throws MANIFEST where a package could not be used as it would be published.
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
