import { type Platform, platformParts } from '../artifacts/platform.ts';

interface TargetNames {
  readonly gnu: string;
  readonly rust: string;
  readonly zig: string;
}

// https://doc.rust-lang.org/rustc/platform-support.html, https://ziglang.org/documentation/master/#Targets, and the
// names of Debian's cross compilers.
const NAMES: Readonly<Record<string, TargetNames>> = {
  'linux/amd64': {
    gnu: 'x86_64-linux-gnu',
    rust: 'x86_64-unknown-linux-musl',
    zig: 'x86_64-linux-musl',
  },
  'linux/arm64': {
    gnu: 'aarch64-linux-gnu',
    rust: 'aarch64-unknown-linux-musl',
    zig: 'aarch64-linux-musl',
  },
  'linux/arm/v7': {
    gnu: 'arm-linux-gnueabihf',
    rust: 'armv7-unknown-linux-musleabihf',
    zig: 'arm-linux-musleabihf',
  },
  'linux/arm/v6': {
    gnu: 'arm-linux-gnueabi',
    rust: 'arm-unknown-linux-musleabi',
    zig: 'arm-linux-musleabi',
  },
  'linux/386': { gnu: 'i686-linux-gnu', rust: 'i686-unknown-linux-musl', zig: 'x86-linux-musl' },
  'linux/ppc64le': {
    gnu: 'powerpc64le-linux-gnu',
    rust: 'powerpc64le-unknown-linux-musl',
    zig: 'powerpc64le-linux-musl',
  },
  'linux/riscv64': {
    gnu: 'riscv64-linux-gnu',
    rust: 'riscv64gc-unknown-linux-musl',
    zig: 'riscv64-linux-musl',
  },
  'linux/s390x': {
    gnu: 's390x-linux-gnu',
    rust: 's390x-unknown-linux-musl',
    zig: 's390x-linux-musl',
  },
};

function namesOf(platform: Platform): TargetNames {
  const found = NAMES[platform];
  if (found === undefined) throw new Error(`${platform} has no target names`);
  return found;
}

/** The GNU triplet of the platform: `aarch64-linux-gnu`, as in `aarch64-linux-gnu-gcc`. */
export function gnuTarget(platform: Platform): string {
  return namesOf(platform).gnu;
}

/** Rust's musl target for the platform, for static executables. */
export function rustMuslTarget(platform: Platform): string {
  return namesOf(platform).rust;
}

/** Rust's glibc target for the platform. */
export function rustGnuTarget(platform: Platform): string {
  return namesOf(platform).rust.replace('-musl', '-gnu');
}

/** Zig's musl target for the platform. */
export function zigTarget(platform: Platform): string {
  return namesOf(platform).zig;
}

/** The platform's GOARCH: Docker's name without the variant. */
export function goArchitecture(platform: Platform): string {
  return platformParts(platform).architecture;
}
