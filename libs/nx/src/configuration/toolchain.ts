import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import {
  type ConfiguredToolchain,
  detectToolchain,
  findToolchain,
  type ProjectFolder,
  TOOLCHAINS,
  type ToolchainSetting,
} from '../toolchains/index.ts';
import { nearestKey, problemsOf, shown } from './problems.ts';
import type { Read } from './read.ts';

/**
 * The toolchain of a project, with paths relative to the workspace's root: what prebuilt.json says about it, and what that leaves out from the files beside it.
 * `root` is the project's folder, relative to the workspace's root.
 */
export function resolveToolchain(
  given: ToolchainSetting | undefined,
  files: ProjectFolder,
  root: string,
): Read<ConfiguredToolchain> {
  const setting = given ?? detectToolchain(files);
  if (setting === undefined) {
    const problem = `toolchain: expected a program beside prebuilt.json that shows what compiles it, found none; name the toolchain: {"toolchain": {"name": "bun", "entry": "src/server.ts"}} (${names.join(', ')})`;
    return { ok: false, problems: [problem] };
  }
  const { name, ...options } = typeof setting === 'string' ? { name: setting } : setting;
  if (!names.includes(name)) {
    const near = nearestKey(name, names);
    const hint = near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`;
    return {
      ok: false,
      problems: [`toolchain: expected one of ${names.join(', ')}, found ${shown(name)}${hint}`],
    };
  }
  const toolchain = findToolchain(name);
  const parsed = v.safeParse(toolchain.options, { ...toolchain.detect(files), ...options });
  if (!parsed.success)
    return { ok: false, problems: problemsOf(parsed.issues, toolchain.options, ['toolchain']) };
  return { ok: true, value: toolchain.configure(toolchain.fromProject(parsed.output, root)) };
}

const names: readonly string[] = TOOLCHAINS.map((toolchain) => toolchain.name);

/** A folder on disk, as a toolchain looks at it. */
export function projectFolder(folder: string): ProjectFolder {
  return {
    has: (path) => existsSync(join(folder, path)),
    read(path) {
      try {
        return readFileSync(join(folder, path), 'utf8');
      } catch {
        return undefined;
      }
    },
  };
}
