import { ElfError, readCargoAuditable, readGoBuildInfo, withFileSource } from '@prebuilt/elf';
import { PrebuiltError } from '../../errors.ts';
import type { Component } from '../toolchain.ts';
import { auditedComponents } from './cargo-crates.ts';
import { goComponents } from './go-modules.ts';

/**
 * The components that executables declare in Go's build information or in `cargo auditable` data. Empty if there is
 * neither. Throws `COMPILE_FAILED` if that data can't be read.
 */
export async function embeddedComponents(files: readonly string[]): Promise<readonly Component[]> {
  const lists = await Promise.all(files.map(componentsIn));
  return uniqueComponents(lists.flat());
}

/** The components without duplicates, sorted by package URL. */
export function uniqueComponents(components: readonly Component[]): readonly Component[] {
  const known = new Map(components.map((each) => [each.purl, each] as const));
  return [...known].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, component]) => component);
}

async function componentsIn(file: string): Promise<readonly Component[]> {
  try {
    const [go, cargo] = await Promise.all([
      withFileSource(file, readGoBuildInfo),
      withFileSource(file, readCargoAuditable),
    ]);
    return [...(go === null ? [] : goComponents(go)), ...(cargo === null ? [] : auditedComponents(cargo))];
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    throw new PrebuiltError('COMPILE_FAILED', error.message, { cause: error });
  }
}
