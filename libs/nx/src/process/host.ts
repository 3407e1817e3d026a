import { hostPlatform, type Platform } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';

/** The machine that this runs on, in Node's terms. Everything that depends on the machine is decided by this alone. */
export interface Host {
  readonly os: string;
  readonly arch: string;
}

/** This machine. */
export function thisHost(): Host {
  return { os: process.platform, arch: process.arch };
}

/** The platform that the machine runs natively; undefined if unsupported, as on a Mac. */
export function nativePlatform({ os, arch }: Host): Platform | undefined {
  return hostPlatform(os, arch);
}

/** The platform that the machine's container engine runs natively: on a Mac, Linux for the same processor. */
export function enginePlatform({ arch }: Host): Platform | undefined {
  return hostPlatform('linux', arch);
}

/** The machine's name in lists of packages: `darwin/arm64`. */
export function hostName({ os, arch }: Host): string {
  return `${os}/${arch}`;
}

/** Throws `HOST` on Windows, whose paths, modes and links differ from those in images. */
export function requireUnix({ os }: Host): void {
  if (os !== 'win32') return;
  throw new PrebuiltError('HOST', 'this machine: expected Linux or macOS, found Windows', {
    hint: 'Run it in WSL, with the workspace inside it: https://learn.microsoft.com/windows/wsl/install',
  });
}

/** Whether a process with this ID exists, owned by any user. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
