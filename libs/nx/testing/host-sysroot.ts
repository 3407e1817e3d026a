import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hostPlatform, type Platform, platformSuffix } from '../src/artifacts/platform.ts';
import { gnuTarget } from '../src/toolchains/target-names.ts';

/** This machine's platform. It must have Debian's C library. */
export const HOST: Platform = (() => {
  const host = hostPlatform(process.platform, process.arch);
  if (host === 'linux/amd64' || host === 'linux/arm64') return host;
  throw new Error(`these tests need linux on amd64 or arm64, not ${host}`);
})();

/** The path of this machine's loader, relative to its root. */
export const LOADER = HOST === 'linux/amd64' ? 'lib64/ld-linux-x86-64.so.2' : 'lib/ld-linux-aarch64.so.1';

/** Copies this machine's loader and libraries to a folder of sysroots. */
export async function copyHostSysroot(folder: string, libraries: readonly string[]): Promise<void> {
  const sysroot = join(folder, platformSuffix(HOST));
  for (const path of [LOADER, ...libraries.map((name) => `lib/${gnuTarget(HOST)}/${name}`)]) {
    await mkdir(dirname(join(sysroot, path)), { recursive: true });
    await copyFile(join('/', path), join(sysroot, path));
  }
}
