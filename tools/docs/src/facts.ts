import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './pages.ts';

interface OptionsSchema {
  readonly properties: Readonly<Record<string, unknown>>;
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function readJson<T>(path: string): T {
  return JSON.parse(read(path));
}

function all(text: string, pattern: RegExp): readonly string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, name]) => name ?? ''))];
}

function schemasOf(file: string, key: string): ReadonlyMap<string, readonly string[]> {
  const listed = readJson<Record<string, Record<string, { readonly schema: string }>>>(`libs/nx/${file}`)[
    key
  ];
  return new Map(
    Object.entries(listed ?? {}).map(([name, { schema }]) => [
      name,
      Object.keys(readJson<OptionsSchema>(`libs/nx/${schema}`).properties),
    ]),
  );
}

/** The quoted names in a union type or a list in a source file, from the text that begins it to its end. */
function namesIn(path: string, begin: string): readonly string[] {
  const text = read(path);
  const at = text.indexOf(begin);
  if (at < 0) throw new Error(`${path}: expected ${JSON.stringify(begin)}, found none`);
  return all(text.slice(at, text.indexOf(';', at)), /'([\w-]+)'/g);
}

/** The value of a constant or a member in a source file: a number, or a product of numbers. */
export function numberIn(path: string, name: string): number {
  const product = new RegExp(`\\b${name}(?: =|:) ([\\d_* ]+)[;,]`).exec(read(path))?.[1];
  if (product === undefined) throw new Error(`${path}: expected ${name} with a number, found none`);
  return product.split('*').reduce((all, each) => all * Number(each.replaceAll('_', '')), 1);
}

/** The default of an option in the schema of an executor or a generator. */
export function defaultOf(schema: string, option: string): unknown {
  return readJson<{ properties: Record<string, { default?: unknown }> }>(schema).properties[option]?.default;
}

/** The executors and the names of their options. */
export const EXECUTORS = schemasOf('executors.json', 'executors');

/** The generators and the names of their options. */
export const GENERATORS = schemasOf('generators.json', 'generators');

/** The targets inferred from a prebuilt.json, and the executor that runs each. */
export const TARGETS: ReadonlyMap<string, string> = new Map(
  namesIn('libs/nx/src/configuration/target-names.ts', 'TARGETS = [').map((name) => [
    name,
    name === 'plan' ? 'release-plan' : name === 'github-draft' ? 'github-release' : name.replace(/^nx-/, ''),
  ]),
);

/** The targets that the projects in this workspace declare themselves, as `project:target`. */
export function ownTargets(files: readonly string[]): readonly string[] {
  interface Declared {
    readonly name?: string;
    readonly targets?: object;
    readonly nx?: { readonly name?: string; readonly targets?: object };
  }
  return files
    .filter((path) => /^(apps|libs|tools)\/[^/]+\/(project|package)\.json$/.test(path))
    .flatMap((path) => {
      const { name, targets, nx } = readJson<Declared>(path);
      return Object.keys(targets ?? nx?.targets ?? {}).map((target) => `${nx?.name ?? name}:${target}`);
    });
}

interface KeysSchema {
  readonly properties?: Readonly<Record<string, KeysSchema>>;
  readonly anyOf?: readonly KeysSchema[];
  readonly const?: string;
}

const schema = readJson<KeysSchema>('libs/nx/schemas/prebuilt.json').properties ?? {};

/** The keys of prebuilt.json; nested ones with a dot: `image.files`. */
export const KEYS: readonly string[] = Object.entries(schema)
  .filter(([key]) => key !== '$schema')
  .flatMap(([key, { properties, anyOf = [] }]) => {
    const inner = key === 'toolchain' ? [] : [properties, ...anyOf.map((each) => each.properties)];
    return [key, ...inner.flatMap((each) => Object.keys(each ?? {})).map((name) => `${key}.${name}`)];
  });

/** The toolchains and the names of their options. */
export const TOOLCHAINS: ReadonlyMap<string, readonly string[]> = new Map(
  (schema.toolchain?.anyOf ?? []).flatMap(({ properties }) =>
    properties?.name?.const === undefined
      ? []
      : [[properties.name.const, Object.keys(properties).filter((key) => key !== 'name')] as const],
  ),
);

/** The plugin's options in nx.json. */
export const PLUGIN_OPTIONS = Object.keys(
  readJson<KeysSchema>('libs/nx/schemas/plugin-options.json').properties ?? {},
);

/** The scripts of the root's package.json. */
export const SCRIPTS = Object.keys(readJson<{ readonly scripts: object }>('package.json').scripts);

/** The codes of all errors and of verify's findings. */
export const ERROR_CODES: readonly string[] = [
  ...namesIn('libs/nx/src/errors.ts', 'PrebuiltErrorCode ='),
  ...namesIn('libs/oci/src/errors.ts', 'OciErrorCode ='),
  ...namesIn('libs/elf/src/errors.ts', 'ElfErrorCode ='),
  ...namesIn('libs/nx/src/executors/failures.ts', 'SystemErrorCode ='),
  ...namesIn('libs/nx/src/executors/verify/inspect-files.ts', 'FindingCode ='),
  ...namesIn('libs/elf/src/linkage.ts', 'readonly code:'),
].filter((code) => /^[A-Z]/.test(code));

/** The metric families of the sidecar. */
export const METRICS = all(read('apps/mount-monitor/src/http/metrics.ts'), /'(mount_monitor_\w+)'/g);

/** The paths that the sidecar serves. */
export const ENDPOINTS = all(
  read('apps/mount-monitor/src/http/routes.ts'),
  /'(\/(?:[a-z]+(?:\/[a-z]+)*)?)'/g,
);

/** The flags of the sidecar. */
export const FLAGS = all(read('apps/mount-monitor/src/arguments.ts'), /^ {2}'?([a-z][a-z-]+)'?: \{ type/gm);

/** The reasons of failed checks, and of the watchdog's states. */
export const REASONS = namesIn('apps/mount-monitor/src/probe/protocol.ts', 'failureReasons = [');

/** The environment variables that shipped code reads, from `environment.NAME`, `env.NAME` and the like. */
export function variablesIn(files: readonly string[]): readonly string[] {
  const sources = files.filter(
    (path) => /^(apps|libs)\/[^/]+\/src\/.*\.ts$/.test(path) && !/\.(spec|e2e)\.ts$/.test(path),
  );
  const text = sources.map(read).join('\n');
  return [
    ...all(text, /\b(?:env|environment)(?:\.|\[')([A-Z][A-Z0-9_]+)/g),
    ...all(text, /\bread\(environment, '([A-Z][A-Z0-9_]+)'/g),
    ...all(text, /_VARIABLE = '([A-Z][A-Z0-9_]+)'/g),
  ];
}
