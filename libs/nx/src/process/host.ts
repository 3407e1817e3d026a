import { hostPlatform, type Platform } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';

/** The machine that this runs on, as Node names it. Everything that differs by machine is decided by this alone. */
export interface Host {
  readonly os: string;
  readonly arch: string;
}

/** This machine. */
export function thisHost(): Host {
  return { os: process.platform, arch: process.arch };
}

/** What the machine runs natively; undefined for one whose executables are not built here, such as a Mac. */
export function nativePlatform({ os, arch }: Host): Platform | undefined {
  return hostPlatform(os, arch);
}

/** What the machine's container engine runs natively: on a Mac it is a Linux for the same processor. */
export function enginePlatform({ arch }: Host): Platform | undefined {
  return hostPlatform('linux', arch);
}

/** The name by which packages for a machine are listed: `darwin/arm64`. */
export function hostName({ os, arch }: Host): string {
  return `${os}/${arch}`;
}

/** Throws `HOST` for Windows, whose paths, modes and links are not those that an image is made from. */
export function requireUnix({ os }: Host): void {
  if (os !== 'win32') return;
  throw new PrebuiltError('HOST', 'this machine: expected Linux or macOS, found Windows', {
    hint: 'Run it in WSL, with the workspace inside it: https://learn.microsoft.com/windows/wsl/install',
  });
}

/** Whether there is a process of this number, of whatever user. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
