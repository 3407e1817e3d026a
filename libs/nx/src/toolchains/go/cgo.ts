import type { Platform } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { commandOutput } from '../../process/command-output.ts';
import { environmentOf, MACHINE_VARIABLES } from '../../process/compiler.ts';
import { gnuTarget } from '../target-names.ts';

type Compilers = Readonly<Record<string, string>>;

/** The variables that select the C compiler for each platform. Throws `TOOLCHAIN` if one is missing. */
export async function cgoEnvironment(
  compilers: Compilers,
  platforms: readonly Platform[],
): Promise<ReadonlyMap<Platform, Readonly<Record<string, string>>>> {
  await cgoFacts(compilers, platforms);
  // Only the optimization level: the default includes -g, which embeds folder names in the output.
  return new Map(
    platforms.map((platform) => {
      const CC = compilerOf(compilers, platform);
      // The matching C++ compiler: aarch64-linux-gnu-g++-12 for aarch64-linux-gnu-gcc-12.
      const CXX = CC.replace(/gcc(?=(?:-[\d.]+)?$)/, 'g++').replace(/clang(?=(?:-[\d.]+)?$)/, 'clang++');
      return [platform, { CC, CXX, CGO_CFLAGS: '-O2', CGO_CXXFLAGS: '-O2', CGO_FFLAGS: '-O2' }];
    }),
  );
}

/** The C compiler for each platform and the version it reports. Throws `TOOLCHAIN` if one is missing. */
export async function cgoFacts(
  compilers: Compilers,
  platforms: readonly Platform[],
): Promise<readonly string[]> {
  const env = environmentOf(MACHINE_VARIABLES);
  return Promise.all(
    platforms.map(async (platform) => {
      const compiler = compilerOf(compilers, platform);
      const answer = await commandOutput(compiler, ['--version'], { env });
      if (answer.ok) return `${platform} ${compiler} ${answer.text.split('\n', 1)[0]}`;
      throw new PrebuiltError(
        'TOOLCHAIN',
        `go: cgo for ${platform}: expected the C compiler ${compiler}, found ${answer.missing ? 'none' : answer.text}`,
        {
          hint: `Install it (Debian: gcc-${gnuTarget(platform).replace('_', '-')}), or set another: {"compilers": {"${platform}": "…"}}`,
        },
      );
    }),
  );
}

function compilerOf(compilers: Compilers, platform: Platform): string {
  return compilers[platform] ?? `${gnuTarget(platform)}-gcc`;
}
