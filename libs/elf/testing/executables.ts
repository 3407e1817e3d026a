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

/** A program that needs libc and a library of its own, or that library. */
export function executable(platform: (typeof PLATFORMS)[number], kind: 'program' | 'library'): Buffer {
  return gunzipSync(readFileSync(new URL(`./fixtures/${platform}-${kind}.gz`, import.meta.url)));
}
