import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** The platforms with executables made by Debian's compilers; see `fixtures/make`. */
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

/** The platforms with Go programs, which are linked by Go itself, with zeros for code. */
export const GO_PLATFORMS: readonly (typeof PLATFORMS)[number][] = PLATFORMS.filter(
  (platform) => platform !== 'linux-armv5',
);

/** A program that needs libc and its own library, that library, or a static Go program. */
export function executable(platform: (typeof PLATFORMS)[number], kind: Kind): Buffer {
  return gunzipSync(readFileSync(new URL(`./fixtures/${platform}-${kind}.gz`, import.meta.url)));
}

type Kind = 'program' | 'library' | 'go';
