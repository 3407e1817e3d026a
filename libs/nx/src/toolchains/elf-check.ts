import type { ElfFacts } from '@prebuilt/elf';
import { elfMismatch } from '../artifacts/elf-platform.ts';
import { elfOf, type Platform } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';

/**
 * The facts of a file that a toolchain wrote, if it is an executable for the platform. Throws `TOOLCHAIN` with the hint
 * if it isn't: the compiler succeeded, but isn't the right one. The message shows `label` instead of the path. Every
 * build calls this; a toolchain does so itself only to give a more helpful hint.
 */
export async function checkElf(
  path: string,
  label: string,
  platform: Platform,
  { hint }: { readonly hint: string },
): Promise<ElfFacts> {
  const refuse = (expected: string, found: string, cause?: unknown): never => {
    throw new PrebuiltError('TOOLCHAIN', `${platform}: ${label}: expected ${expected}, found ${found}`, {
      hint,
      cause,
    });
  };
  const executable = `an ELF executable for ${elfOf(platform).machine}`;
  const { ElfError, openElf } = await import('@prebuilt/elf');
  try {
    const elf = await openElf(path);
    const mismatch = elfMismatch(platform, elf);
    if (mismatch !== undefined) refuse(mismatch.expected, mismatch.found);
    if (elf.type !== 'exec' && elf.type !== 'dyn') refuse(executable, `an ELF file of type ${elf.type}`);
    return elf;
  } catch (error) {
    if (error instanceof ElfError) return refuse(executable, error.message, error);
    throw error;
  }
}
