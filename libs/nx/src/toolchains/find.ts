import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ToolchainConfiguration } from '../configuration/definition.ts';
import type { Read } from '../configuration/read.ts';
import { PrebuiltError } from '../errors.ts';
import { configureToolchain, detectToolchain, findToolchain, toolchainOfProject } from './index.ts';
import type { ConfiguredToolchain, ProjectFolder } from './toolchain.ts';

/**
 * The toolchain of a project with all of its options, paths relative to the workspace's root: as configured, and what
 * is left out from the files beside prebuilt.json. `folder` is the project's, absolute; `root` the same, relative.
 */
export function findToolchainConfiguration(
  configured: string | ToolchainConfiguration | undefined,
  folder: string,
  root: string,
): Read<ConfiguredToolchain> {
  const given = typeof configured === 'string' ? { name: configured } : configured;
  const files = openFolder(folder);
  try {
    const found = given === undefined ? detectToolchain(files) : findToolchain(given.name).detect(files);
    if (found !== undefined || given !== undefined) {
      const setting = toolchainOfProject({ name: '', ...(found as object), ...given }, root);
      return { ok: true, value: configureToolchain(setting) };
    }
  } catch (error) {
    if (error instanceof PrebuiltError) return { ok: false, problems: [error.message] };
    throw error;
  }
  return {
    ok: false,
    problems: [
      'toolchain: expected a program beside prebuilt.json (a TypeScript or JavaScript "bin" in package.json, or src/main.ts), found none; say what compiles it: {"toolchain": {"name": "bun", "entry": "src/server.ts"}}',
    ],
  };
}

function openFolder(folder: string): ProjectFolder {
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
