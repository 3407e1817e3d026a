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
 * A project's toolchain, with paths relative to the workspace root: as set in prebuilt.json, with the rest detected
 * from the files next to it. `root` is the project's folder, relative to the workspace root.
 */
export function resolveToolchain(
  given: ToolchainSetting | undefined,
  files: ProjectFolder,
  root: string,
): Read<ConfiguredToolchain> {
  const setting = given ?? detectToolchain(files);
  if (setting === undefined) {
    const problem = `toolchain: expected files next to prebuilt.json that reveal the toolchain, found none; specify it: {"toolchain": {"name": "bun", "entry": "src/server.ts"}} (${names.join(', ')})`;
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

/** A folder on disk, for detecting toolchains. */
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
