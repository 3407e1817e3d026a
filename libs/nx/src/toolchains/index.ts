import * as v from 'valibot';
import type { Platform } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import { bun } from './bun.ts';
import { cargo } from './cargo.ts';
import { command } from './command.ts';
import { go } from './go.ts';
import { imported } from './import.ts';
import type { ConfiguredToolchain, ProjectFolder, Toolchain } from './toolchain.ts';

export type { Component, ConfiguredToolchain, ProjectFolder, Toolchain } from './toolchain.ts';

/** What a target or a prebuilt.json says about its toolchain: a name, or an object of the name and options. */
export type ToolchainSetting = string | { readonly name: string; readonly [option: string]: unknown };

/** Every toolchain, in the order in which they look at a project. */
export const TOOLCHAINS: readonly Toolchain[] = [
  erase(go),
  erase(cargo),
  erase(bun),
  erase(command),
  erase(imported),
];

/** The toolchain of that name. Throws `INVALID_OPTIONS` with the names there are. */
export function findToolchain(name: string): Toolchain {
  const found = TOOLCHAINS.find((toolchain) => toolchain.name === name);
  if (found !== undefined) return found;
  throw new PrebuiltError(
    'INVALID_OPTIONS',
    `toolchain: expected one of ${TOOLCHAINS.map((toolchain) => toolchain.name).join(', ')}, found ${JSON.stringify(name)}`,
  );
}

/** The toolchain whose files are in a project's folder, with the options that they give; undefined where none do. */
export function detectToolchain(folder: ProjectFolder): ToolchainSetting | undefined {
  for (const toolchain of TOOLCHAINS) {
    const options = toolchain.detect(folder);
    if (options !== undefined) return { ...options, name: toolchain.name };
  }
  return undefined;
}

/** A prebuilt.json's toolchain as a target has it: paths relative to the workspace's root. Throws `INVALID_OPTIONS`. */
export function toolchainOfProject(setting: ToolchainSetting, projectRoot: string): ToolchainSetting {
  const { toolchain, options } = parseSetting(setting);
  return { ...toolchain.fromProject(options, projectRoot), name: toolchain.name };
}

/** A target's toolchain with its options. Throws `INVALID_OPTIONS` that names every problem and its path. */
export function configureToolchain(setting: ToolchainSetting): ConfiguredToolchain {
  const { toolchain, options } = parseSetting(setting);
  return toolchain.configure(options);
}

/** Throws `INVALID_PLATFORM` for a platform that the toolchain can't make executables for. */
export function checkPlatforms(name: string, platforms: readonly Platform[]): void {
  const toolchain = findToolchain(name);
  const absent = platforms.filter((platform) => !toolchain.platforms.includes(platform));
  if (absent.length === 0) return;
  throw new PrebuiltError(
    'INVALID_PLATFORM',
    `platforms: ${name} can make ${toolchain.platforms.join(', ')}, found ${absent.join(', ')}`,
    { hint: 'Take the others out of "platforms" in prebuilt.json.' },
  );
}

function parseSetting(setting: ToolchainSetting): {
  readonly toolchain: Toolchain;
  readonly options: Readonly<Record<string, unknown>>;
} {
  const { name, ...rest } = typeof setting === 'string' ? { name: setting } : setting;
  const toolchain = findToolchain(name);
  const parsed = v.safeParse(toolchain.options, rest);
  if (parsed.success) return { toolchain, options: parsed.output };
  const problems = parsed.issues.map((issue) =>
    ['toolchain', v.getDotPath(issue)].filter(Boolean).join('.').concat(`: ${issue.message}`),
  );
  throw new PrebuiltError('INVALID_OPTIONS', problems.join('; '));
}

// Options are parsed by the toolchain's own definition before they reach it.
function erase<Options extends Readonly<Record<string, unknown>>>(toolchain: Toolchain<Options>): Toolchain {
  return toolchain as unknown as Toolchain;
}
