import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** The platforms whose executables were made by Debian's compilers; `fixtures/make` tells how. */
export const PLATFORMS = [
  'linux-amd64',
  'linux-arm64',
  'linux-armv7',
  'linux-armv6',
  'linux-armv5',
  'linux-386',
  'linux-riscv64',
  'linux-ppc64le',
  'linux-s390x',
] as const;

/** The platforms that Go compiles for; their programs are its own, with zeros for code. */
export const GO_PLATFORMS: readonly (typeof PLATFORMS)[number][] = PLATFORMS.filter(
  (platform) => platform !== 'linux-armv5',
);

/** A program that needs libc and a library of its own, that library, or a static program of Go. */
export function executable(platform: (typeof PLATFORMS)[number], kind: Kind): Buffer {
  return gunzipSync(readFileSync(new URL(`./fixtures/${platform}-${kind}.gz`, import.meta.url)));
}

type Kind = 'program' | 'library' | 'go';
