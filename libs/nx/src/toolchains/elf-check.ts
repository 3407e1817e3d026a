import { elfMismatch } from '../artifacts/elf-platform.ts';
import { elfOf, type Platform } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';

/**
 * Checks that the copy of a file built elsewhere is an executable for the platform. Throws `TOOLCHAIN` with the hint
 * if it isn't; the message shows `label` instead of the copy's path.
 */
export async function checkElf(
  copy: string,
  label: string,
  platform: Platform,
  { hint }: { readonly hint: string },
): Promise<void> {
  const refuse = (expected: string, found: string, cause?: unknown): never => {
    throw new PrebuiltError('TOOLCHAIN', `${platform}: ${label}: expected ${expected}, found ${found}`, {
      hint,
      cause,
    });
  };
  const executable = `an ELF executable for ${elfOf(platform).machine}`;
  const { ElfError, openElf } = await import('@prebuilt/elf');
  try {
    const elf = await openElf(copy);
    const mismatch = elfMismatch(platform, elf);
    if (mismatch !== undefined) refuse(mismatch.expected, mismatch.found);
    if (elf.type !== 'exec' && elf.type !== 'dyn') refuse(executable, `an ELF file of type ${elf.type}`);
  } catch (error) {
    if (error instanceof ElfError) refuse(executable, error.message, error);
    throw error;
  }
}
