import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ToolchainConfiguration } from '../configuration/definition.ts';
import type { Read } from '../configuration/read.ts';

const SOURCE = /\.[cm]?[jt]sx?$/;
const USUAL_ENTRIES = ['src/main.ts', 'src/index.ts', 'main.ts', 'index.ts'];

/** The toolchain of a project with its options: as configured, and what is left out from the files beside prebuilt.json. */
export function findToolchainConfiguration(
  configured: string | ToolchainConfiguration | undefined,
  folder: string,
): Read<ToolchainConfiguration> {
  const given = typeof configured === 'string' ? { name: configured } : configured;
  if (given !== undefined && (given.name !== 'bun' || given.entry !== undefined))
    return { ok: true, value: given };
  const entry = findEntry(folder);
  if (entry !== undefined) return { ok: true, value: { name: 'bun', ...given, entry } };
  const where = given === undefined ? 'toolchain' : 'toolchain.entry';
  return {
    ok: false,
    problems: [
      `${where}: expected a program beside prebuilt.json (a TypeScript or JavaScript "bin" in package.json, or ${USUAL_ENTRIES[0]}), found none; say what compiles it: {"toolchain": {"name": "bun", "entry": "src/server.ts"}}`,
    ],
  };
}

function findEntry(folder: string): string | undefined {
  const bins = [...binsOf(folder), ...USUAL_ENTRIES];
  return bins.find((bin) => SOURCE.test(bin) && existsSync(join(folder, bin)));
}

function binsOf(folder: string): readonly string[] {
  try {
    const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return typeof bin === 'string'
      ? [bin]
      : Object.values(bin ?? {}).filter((each) => typeof each === 'string');
  } catch {
    return [];
  }
}
