import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { debianArchitectureOf, type Platform } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { commandOutput } from '../../process/command-output.ts';
import { gnuTarget, rustGnuTarget, rustMuslTarget } from '../target-names.ts';
import type { RustFacts } from './environment.ts';

/** How to compile for a platform. */
export interface RustTarget {
  readonly platform: Platform;
  /** `aarch64-unknown-linux-musl`. */
  readonly triple: string;
  /** The linker; undefined for Rust's default. */
  readonly linker: string | undefined;
}

/** A project's settings for its targets. */
export interface TargetChoices {
  readonly targets: Readonly<Record<string, string>>;
  readonly linkers: Readonly<Record<string, string>>;
  /** Whether Zig links, which needs no cross linker. */
  readonly zigbuild: boolean;
}

/**
 * Chooses a target for each platform: musl if its standard library is installed, since that makes a static executable,
 * otherwise glibc. Throws `TOOLCHAIN` for a platform without a standard library or linker.
 */
export async function chooseTargets(
  rust: RustFacts,
  platforms: readonly Platform[],
  choices: TargetChoices,
): Promise<readonly RustTarget[]> {
  const installed = await installedTargets(rust);
  return Promise.all(
    platforms.map(async (platform) => {
      const candidates =
        choices.targets[platform] === undefined
          ? [rustMuslTarget(platform), rustGnuTarget(platform)]
          : [choices.targets[platform]];
      const triple = candidates.find((each) => installed.includes(each));
      if (triple === undefined) {
        throw new PrebuiltError(
          'TOOLCHAIN',
          `cargo: ${platform}: expected Rust's standard library for ${candidates.join(' or ')}, found only ${installed.join(', ')}`,
          {
            hint: `Install it: rustup target add ${candidates[0]}, or with Debian's rustc: apt-get install libstd-rust-dev:${debianArchitectureOf(platform)}`,
          },
        );
      }
      return { platform, triple, linker: await chooseLinker(rust, platform, triple, choices) };
    }),
  );
}

async function installedTargets({ sysroot }: RustFacts): Promise<readonly string[]> {
  const folder = join(sysroot, 'lib/rustlib');
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => {
      const files = await readdir(join(folder, name, 'lib')).catch(() => []);
      return files.some((file) => /^libstd-.*\.rlib$/.test(file)) ? [name] : [];
    }),
  );
  return found.flat().sort();
}

async function chooseLinker(
  rust: RustFacts,
  platform: Platform,
  triple: string,
  { linkers, zigbuild }: TargetChoices,
): Promise<string | undefined> {
  const architecture = (name: string): string | undefined => name.split('-')[0];
  const given = linkers[platform];
  if (zigbuild) return undefined;
  if (given === undefined && architecture(triple) === architecture(rust.host)) return undefined;
  const linker = given ?? `${gnuTarget(platform)}-gcc`;
  if (!(await commandOutput(linker, ['--version'], { env: rust.environment })).missing) return linker;
  // The musl standard library includes a C library, so Rust's own linker is enough.
  if (given === undefined && triple.includes('-musl') && (await hasOwnLinker(rust))) return 'rust-lld';
  throw new PrebuiltError(
    'TOOLCHAIN',
    `cargo: ${platform}: expected the linker ${linker} for ${triple}, found none`,
    {
      hint: `Install it (Debian: gcc-${gnuTarget(platform)}), set another in the toolchain's "linkers", or use {"zigbuild": true}.`,
    },
  );
}

async function hasOwnLinker({ sysroot, host }: RustFacts): Promise<boolean> {
  const files: readonly string[] = await readdir(join(sysroot, 'lib/rustlib', host, 'bin')).catch(() => []);
  return files.includes('rust-lld');
}
