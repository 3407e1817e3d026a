import { PrebuiltError } from '../errors.ts';

/**
 * A platform in Docker's vocabulary, normalized: `linux/amd64`, `linux/arm64`, `linux/arm/v7`.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md#platform-variants
 */
export type Platform = string & { readonly __brand: 'Platform' };

/** The parts of a platform, as in an image's config and an index's descriptors. */
export interface PlatformParts {
  readonly os: 'linux';
  readonly architecture: string;
  readonly variant?: string;
}

/** The properties of a platform's ELF files. */
export interface ElfPlatform {
  /** The name of the gABI's EM_ constant: `x86_64`, `aarch64`, … */
  readonly machine: string;
  readonly class: 32 | 64;
  readonly byteOrder: 'little' | 'big';
  /** The floating-point ABI of the platform's libraries; undefined if the machine has only one. */
  readonly float?: 'soft' | 'hard' | 'double';
  /** arm: the newest architecture version that an executable may require. */
  readonly armArchitecture?: 6 | 7;
}

interface KnownPlatform extends PlatformParts {
  readonly elf: ElfPlatform;
  /** Debian's name for the architecture, as printed by `dpkg --print-architecture`. */
  readonly debian: string;
  /** The suffix of QEMU's user-mode emulator. */
  readonly qemu: string;
}

const LITTLE_64 = { class: 64, byteOrder: 'little' } as const;
const LITTLE_32 = { class: 32, byteOrder: 'little' } as const;

const KNOWN: readonly KnownPlatform[] = [
  {
    os: 'linux',
    architecture: 'amd64',
    elf: { machine: 'x86_64', ...LITTLE_64 },
    debian: 'amd64',
    qemu: 'x86_64',
  },
  {
    os: 'linux',
    architecture: 'arm64',
    elf: { machine: 'aarch64', ...LITTLE_64 },
    debian: 'arm64',
    qemu: 'aarch64',
  },
  {
    os: 'linux',
    architecture: 'arm',
    variant: 'v7',
    elf: { machine: 'arm', ...LITTLE_32, float: 'hard', armArchitecture: 7 },
    debian: 'armhf',
    qemu: 'arm',
  },
  {
    os: 'linux',
    architecture: 'arm',
    variant: 'v6',
    elf: { machine: 'arm', ...LITTLE_32, float: 'soft', armArchitecture: 6 },
    debian: 'armel',
    qemu: 'arm',
  },
  {
    os: 'linux',
    architecture: '386',
    elf: { machine: 'i386', ...LITTLE_32 },
    debian: 'i386',
    qemu: 'i386',
  },
  {
    os: 'linux',
    architecture: 'ppc64le',
    elf: { machine: 'ppc64', ...LITTLE_64 },
    debian: 'ppc64el',
    qemu: 'ppc64le',
  },
  {
    os: 'linux',
    architecture: 'riscv64',
    elf: { machine: 'riscv', ...LITTLE_64, float: 'double' },
    debian: 'riscv64',
    qemu: 'riscv64',
  },
  {
    os: 'linux',
    architecture: 's390x',
    elf: { machine: 's390', class: 64, byteOrder: 'big' },
    debian: 's390x',
    qemu: 's390x',
  },
];

const ALIASES: Readonly<Record<string, string>> = {
  'linux/x86_64': 'linux/amd64',
  'linux/x64': 'linux/amd64',
  'linux/aarch64': 'linux/arm64',
  'linux/arm64/v8': 'linux/arm64',
  'linux/arm': 'linux/arm/v7',
};

const BY_NAME = new Map(KNOWN.map((known) => [nameOf(known), known]));

/** Every supported platform. */
export const PLATFORMS: readonly Platform[] = [...BY_NAME.keys()] as readonly string[] as readonly Platform[];

/** What is built if neither prebuilt.json nor the plugin's options name platforms; every toolchain can. */
export const DEFAULT_PLATFORMS = ['linux/amd64', 'linux/arm64'] as const;

function nameOf(parts: PlatformParts): string {
  return parts.variant === undefined
    ? `${parts.os}/${parts.architecture}`
    : `${parts.os}/${parts.architecture}/${parts.variant}`;
}

function known(platform: Platform): KnownPlatform {
  const found = BY_NAME.get(platform);
  if (found === undefined) throw new PrebuiltError('INVALID_PLATFORM', `unknown platform ${platform}`);
  return found;
}

/**
 * Parses a platform name and normalizes what Docker normalizes (`linux/aarch64` → `linux/arm64`).
 * Throws `INVALID_PLATFORM` for any other text.
 */
export function parsePlatform(text: string): Platform {
  const name = ALIASES[text] ?? text;
  if (BY_NAME.has(name)) return name as Platform;
  throw new PrebuiltError(
    'INVALID_PLATFORM',
    `platform: expected one of ${[...BY_NAME.keys()].join(', ')}, found ${JSON.stringify(text.slice(0, 80))}`,
  );
}

/**
 * Parses a list of platform names and keeps its order. Throws `INVALID_PLATFORM`, also for an empty list and for
 * duplicates.
 */
export function parsePlatforms(texts: readonly string[]): readonly Platform[] {
  if (texts.length === 0) {
    throw new PrebuiltError('INVALID_PLATFORM', 'platforms: expected at least one platform, found none');
  }
  const platforms = texts.map(parsePlatform);
  const twice = platforms.find((platform, index) => platforms.indexOf(platform) !== index);
  if (twice !== undefined) {
    throw new PrebuiltError('INVALID_PLATFORM', `platforms: ${twice} is named more than once`);
  }
  return platforms;
}

/** The platform's parts, for an image config or an index descriptor. */
export function platformParts(platform: Platform): PlatformParts {
  const { os, architecture, variant } = known(platform);
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}

/** `<os>-<arch>[<variant>]`, the suffix of file names: `linux-amd64`, `linux-armv7`. */
export function platformSuffix(platform: Platform): string {
  const { os, architecture, variant } = known(platform);
  return `${os}-${architecture}${variant ?? ''}`;
}

/** The properties that the platform's ELF files must have. */
export function elfOf(platform: Platform): ElfPlatform {
  return known(platform).elf;
}

/** Debian's name for the platform's architecture (`amd64`, `arm64`, `armhf`, …). */
export function debianArchitectureOf(platform: Platform): string {
  return known(platform).debian;
}

/** The suffix of QEMU's user-mode emulator for the platform: `aarch64` for `qemu-aarch64`. */
export function qemuNameOf(platform: Platform): string {
  return known(platform).qemu;
}

/** The platform of a Node process, given its `process.platform` and `process.arch`; undefined if unsupported. */
export function hostPlatform(os: string, arch: string): Platform | undefined {
  const architecture = arch === 'x64' ? 'amd64' : arch === 'ia32' ? '386' : arch;
  const name = ALIASES[`${os}/${architecture}`] ?? `${os}/${architecture}`;
  return BY_NAME.has(name) ? (name as Platform) : undefined;
}
