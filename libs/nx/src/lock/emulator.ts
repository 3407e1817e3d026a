import { join } from 'node:path';
import { PrebuiltError } from '../errors.ts';
import { sha256OfFile } from '../files/hash.ts';
import { type EmulatorPin, LOCK_FILE } from './lock.ts';

/** The path of a locked emulator in the cache. */
export function emulatorPath(cacheFolder: string, pin: Pick<EmulatorPin, 'sha256' | 'executable'>): string {
  return join(cacheFolder, 'emulators', pin.sha256, pin.executable.path);
}

/** Checks that a file is the locked emulator, and returns its path. Throws `SYSROOT_INTEGRITY`. */
export async function checkEmulator(path: string, pin: EmulatorPin): Promise<string> {
  const found = await sha256OfFile(path);
  if (found === pin.executable.sha256) return path;
  throw new PrebuiltError(
    'SYSROOT_INTEGRITY',
    `${path}: expected SHA-256 ${pin.executable.sha256} of ${pin.package} ${pin.version} from ${LOCK_FILE}, found ${found}`,
    {
      hint: 'The emulator or the lock was changed. The emulator was not run. Remove the file and try again.',
    },
  );
}
