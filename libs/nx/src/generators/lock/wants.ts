import { join } from 'node:path/posix';
import { getProjects, globAsync, readJson, type Tree } from '@nx/devkit';
import * as v from 'valibot';
import { DEFAULT_PLATFORMS, type Platform, parsePlatform, parsePlatforms } from '../../artifacts/platform.ts';
import { resolveToolchain } from '../../configuration/toolchain.ts';
import type { Dockerfile } from '../../dockerfile/instructions.ts';
import { readDockerfile } from '../../dockerfile/read-dockerfile.ts';
import { PrebuiltError } from '../../errors.ts';
import { debianName } from '../../lock/lock.ts';
import { PACKAGE } from '../../package.ts';
import { SYSROOT_PACKAGES } from '../../sysroot/plan.ts';
import {
  type ConfiguredToolchain,
  configureToolchain,
  type ToolchainSetting,
} from '../../toolchains/index.ts';
import { projectFolder } from '../tree-folder.ts';
import type { LockOptions } from './options.ts';

/** What the lock must contain for the workspace's programs. */
export interface LockWants {
  readonly bun: boolean;
  /** The names of the sysroot packages, by platform. */
  readonly sysroots: ReadonlyMap<Platform, ReadonlySet<string>>;
  /** Every platform that programs are compiled for. */
  readonly platforms: ReadonlySet<Platform>;
  /** Data packages: ca-certificates, tzdata. */
  readonly data: ReadonlySet<string>;
  /** The base images as written in Dockerfiles, by tag or digest. */
  readonly bases: ReadonlySet<string>;
  /** The other images that the Dockerfiles use. */
  readonly images: ReadonlySet<string>;
  /** Dockerfiles that can't be read, relative to the workspace root; the images they use are unknown. */
  readonly unread: readonly string[];
}

const EXECUTOR = `${PACKAGE.name}:build-binaries`;
const DATA = ['ca-certificates', 'tzdata'];

// Only what matters for the lock. The rest of a prebuilt.json is checked where it is used.
const program = v.looseObject({
  toolchain: v.fallback(v.optional(v.union([v.string(), v.looseObject({ name: v.string() })])), undefined),
  platforms: v.fallback(v.optional(v.array(v.string())), undefined),
  sysroot: v.fallback(v.optional(v.string()), undefined),
  sysrootPackages: v.fallback(v.optional(v.array(v.string())), undefined),
  files: v.fallback(v.optional(v.array(v.unknown())), undefined),
  image: v.fallback(
    v.optional(
      v.looseObject({
        files: v.optional(v.array(v.unknown())),
        dockerfile: v.fallback(v.optional(v.string()), undefined),
      }),
    ),
    undefined,
  ),
});

type Settings = v.InferOutput<typeof program>;

interface Program extends Settings {
  /** The toolchain with what was detected; undefined if that is nothing, or its options are invalid. */
  readonly configured: ConfiguredToolchain | undefined;
}

/**
 * Gathers what the workspace's programs need, from each prebuilt.json and from targets that use the executor without
 * one. A program whose toolchain links dynamically needs the C library for each of its platforms, as does one that
 * specifies packages; any other program needs none.
 */
export async function gatherWants(tree: Tree, options: LockOptions): Promise<LockWants> {
  const defaults = defaultPlatforms(tree);
  const sysroots = new Map<Platform, Set<string>>();
  const platforms = new Set<Platform>();
  const data = new Set<string>();
  const bases = new Set<string>();
  const images = new Set<string>();
  const unread: string[] = [];
  let bun = false;
  const want = (platform: Platform, names: readonly string[]): void => {
    const wrong = names.filter((name) => !v.is(debianName, name));
    if (wrong.length > 0) {
      throw new PrebuiltError(
        'INVALID_OPTIONS',
        `sysrootPackages: expected Debian package names, found ${JSON.stringify(wrong)}`,
      );
    }
    const known = sysroots.get(platform) ?? new Set(SYSROOT_PACKAGES);
    for (const name of names) known.add(name);
    sysroots.set(platform, known);
  };
  for (const path of await findDockerfiles(tree)) {
    const dockerfile = dockerfileAt(tree, path);
    if (dockerfile === undefined) {
      unread.push(path);
      continue;
    }
    const { from, images: others, frontend } = dockerfile;
    if (from.image !== 'scratch') bases.add(from.image);
    for (const { image } of [...others, ...(frontend === undefined ? [] : [frontend])]) images.add(image);
  }
  for (const each of await findPrograms(tree)) {
    const { configured } = each;
    const own = parsePlatforms(each.platforms ?? defaults);
    for (const platform of own) platforms.add(platform);
    for (const file of each.files ?? each.image?.files ?? [])
      if (DATA.includes(String(file))) data.add(String(file));
    bun ||= (configured?.name ?? nameOf(each.toolchain)) === 'bun';
    const names = [...(configured?.sysrootPackages ?? []), ...(each.sysrootPackages ?? [])];
    if (each.sysroot === undefined && (configured?.isDynamic === true || names.length > 0)) {
      for (const platform of own) want(platform, names);
    }
  }
  for (const platform of options.platforms.map(parsePlatform)) {
    platforms.add(platform);
    want(platform, []);
  }
  for (const platform of sysroots.keys()) want(platform, options.sysrootPackages);
  return { bun: bun || options.bunVersion !== undefined, sysroots, platforms, data, bases, images, unread };
}

// Invalid options are reported by the target that uses them.
function valid(configure: () => ConfiguredToolchain | undefined): ConfiguredToolchain | undefined {
  try {
    return configure();
  } catch {
    return undefined;
  }
}

function nameOf(toolchain: ToolchainSetting | undefined): string | undefined {
  return typeof toolchain === 'string' ? toolchain : toolchain?.name;
}

function defaultPlatforms(tree: Tree): readonly string[] {
  const nxJson: { readonly plugins?: readonly unknown[] } = tree.exists('nx.json')
    ? readJson(tree, 'nx.json')
    : {};
  for (const plugin of nxJson.plugins ?? []) {
    const parsed = v.safeParse(
      v.looseObject({
        plugin: v.literal(PACKAGE.name),
        options: v.looseObject({ platforms: v.array(v.string()) }),
      }),
      plugin,
    );
    if (parsed.success) return parsed.output.options.platforms;
  }
  return DEFAULT_PLATFORMS;
}

/** The Dockerfiles of the workspace's images, relative to the workspace root. */
async function findDockerfiles(tree: Tree): Promise<readonly string[]> {
  const paths = new Set<string>();
  for (const file of await globAsync(tree, ['**/prebuilt.json'])) {
    if (file.includes('node_modules/')) continue;
    const told = v.parse(program, readJson(tree, file)).image?.dockerfile;
    paths.add(join(file, '..', told ?? 'Dockerfile.release'));
  }
  for (const { targets = {} } of getProjects(tree).values()) {
    for (const { executor, options } of Object.values(targets)) {
      if (executor === `${PACKAGE.name}:docker-release` && typeof options?.dockerfile === 'string')
        paths.add(options.dockerfile);
    }
  }
  return [...paths].filter((path) => tree.isFile(path));
}

// A Dockerfile that can't be read is reported when building its image.
function dockerfileAt(tree: Tree, path: string): Dockerfile | undefined {
  try {
    return readDockerfile(tree.read(path) ?? Buffer.alloc(0), path);
  } catch {
    return undefined;
  }
}

async function findPrograms(tree: Tree): Promise<readonly Program[]> {
  const files = (await globAsync(tree, ['**/prebuilt.json'])).filter(
    (file) => !file.includes('node_modules/'),
  );
  const folders = new Set(files.map((file) => join(file, '..')));
  const programs = files.map((file): Program => {
    const told = v.parse(program, readJson(tree, file));
    const root = join(file, '..');
    const configured = valid(() => {
      const resolved = resolveToolchain(told.toolchain, projectFolder(tree, root), root);
      return resolved.ok ? resolved.value : undefined;
    });
    return { ...told, configured };
  });
  for (const { root, targets = {} } of getProjects(tree).values()) {
    if (folders.has(root)) continue;
    for (const target of Object.values(targets)) {
      if (target.executor !== EXECUTOR) continue;
      const told = v.parse(program, target.options ?? {});
      const { toolchain } = told;
      const configured = toolchain === undefined ? undefined : valid(() => configureToolchain(toolchain));
      programs.push({ ...told, configured });
    }
  }
  return programs;
}
