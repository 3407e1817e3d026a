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

/** The toolchain setting of a target or a prebuilt.json: a name, or an object with the name and options. */
export type ToolchainSetting = string | { readonly name: string; readonly [option: string]: unknown };

/** Every toolchain, in the order of detection: a later one never takes a project from an earlier one. */
export const TOOLCHAINS: readonly Toolchain[] = [
  erase(go),
  erase(cargo),
  erase(bun),
  erase(command),
  erase(imported),
];

/** The toolchain with that name. Throws `INVALID_OPTIONS`, listing the known names. */
export function findToolchain(name: string): Toolchain {
  const found = TOOLCHAINS.find((toolchain) => toolchain.name === name);
  if (found !== undefined) return found;
  throw new PrebuiltError(
    'INVALID_OPTIONS',
    `toolchain: expected one of ${TOOLCHAINS.map((toolchain) => toolchain.name).join(', ')}, found ${JSON.stringify(name)}`,
  );
}

/** The toolchain detected by the files in a project's folder, with the detected options; undefined if none matches. */
export function detectToolchain(folder: ProjectFolder): ToolchainSetting | undefined {
  for (const toolchain of TOOLCHAINS) {
    const options = toolchain.detect(folder);
    if (options !== undefined) return { ...options, name: toolchain.name };
  }
  return undefined;
}

/** A prebuilt.json's toolchain with paths relative to the workspace root, for a target. Throws `INVALID_OPTIONS`. */
export function toolchainOfProject(setting: ToolchainSetting, projectRoot: string): ToolchainSetting {
  const { toolchain, options } = parseSetting(setting);
  return { ...toolchain.fromProject(options, projectRoot), name: toolchain.name };
}

/** A target's toolchain with its options. Throws `INVALID_OPTIONS`, listing every problem with its path. */
export function configureToolchain(setting: ToolchainSetting): ConfiguredToolchain {
  const { toolchain, options } = parseSetting(setting);
  return toolchain.configure(options);
}

/** Throws `INVALID_PLATFORM` for a platform that the toolchain can't compile for. */
export function checkPlatforms(name: string, platforms: readonly Platform[]): void {
  const toolchain = findToolchain(name);
  const absent = platforms.filter((platform) => !toolchain.platforms.includes(platform));
  if (absent.length === 0) return;
  throw new PrebuiltError(
    'INVALID_PLATFORM',
    `platforms: ${name} can build ${toolchain.platforms.join(', ')}, found ${absent.join(', ')}`,
    { hint: 'Remove the others from "platforms" in prebuilt.json.' },
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

// Safe, since the toolchain's own schema parses the options before they reach it.
function erase<Options extends Readonly<Record<string, unknown>>>(toolchain: Toolchain<Options>): Toolchain {
  return toolchain as unknown as Toolchain;
}
