import type { Platform } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { commandOutput } from '../../process/command-output.ts';
import { gnuTarget } from '../target-names.ts';

type Compilers = Readonly<Record<string, string>>;

/** For each platform the variables that name its C compiler. Throws `TOOLCHAIN` for one that is not there. */
export async function cgoEnvironment(
  compilers: Compilers,
  platforms: readonly Platform[],
): Promise<ReadonlyMap<Platform, Readonly<Record<string, string>>>> {
  await cgoFacts(compilers, platforms);
  // Optimization alone: the default has -g, which puts the names of folders into what is compiled.
  return new Map(
    platforms.map((platform) => {
      const CC = compilerOf(compilers, platform);
      // The C++ compiler beside it: that of aarch64-linux-gnu-gcc-12 is aarch64-linux-gnu-g++-12.
      const CXX = CC.replace(/gcc(?=(?:-[\d.]+)?$)/, 'g++').replace(/clang(?=(?:-[\d.]+)?$)/, 'clang++');
      return [platform, { CC, CXX, CGO_CFLAGS: '-O2', CGO_CXXFLAGS: '-O2', CGO_FFLAGS: '-O2' }];
    }),
  );
}

/** For each platform the C compiler and the version it reports. Throws `TOOLCHAIN` for one that is not there. */
export async function cgoFacts(
  compilers: Compilers,
  platforms: readonly Platform[],
): Promise<readonly string[]> {
  return Promise.all(
    platforms.map(async (platform) => {
      const compiler = compilerOf(compilers, platform);
      const answer = await commandOutput(compiler, ['--version']);
      if (answer.ok) return `${platform} ${compiler} ${answer.text.split('\n', 1)[0]}`;
      throw new PrebuiltError(
        'TOOLCHAIN',
        `go: cgo for ${platform}: expected the C compiler ${compiler}, found ${answer.missing ? 'none' : answer.text}`,
        {
          hint: `Install it (Debian: gcc-${gnuTarget(platform).replace('_', '-')}), or name another: {"compilers": {"${platform}": "…"}}`,
        },
      );
    }),
  );
}

function compilerOf(compilers: Compilers, platform: Platform): string {
  return compilers[platform] ?? `${gnuTarget(platform)}-gcc`;
}
