import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { type Platform, platformParts } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { commandOutput } from '../../process/command-output.ts';
import { environmentOf, MACHINE_VARIABLES, missingTool, NETWORK_VARIABLES } from '../../process/compiler.ts';

/** The Go of this machine, as it looks at a folder. Paths are absolute. */
export interface GoFacts {
  /** `1.24.4`. */
  readonly version: string;
  /** Where the standard library is. */
  readonly root: string;
  /** Where fetched modules are. */
  readonly moduleCache: string;
  /** The go.mod that holds for the folder. */
  readonly goMod: string;
  /** The go.work of the workspace; undefined where there is none. */
  readonly goWork: string | undefined;
  /** Whether modules are in a vendor folder of the repository. */
  readonly isVendored: boolean;
  /** What a build is run with: the user's Go settings about fetching, and nothing that changes what is compiled. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The oldest Go that knows every switch that is used. */
const MIN_GO: readonly [number, number] = [1, 19];

// Where modules come from and where they are kept: for the user to say, and without effect on what is compiled.
const FETCHING = [
  'GOAUTH',
  'GOCACHE',
  'GOINSECURE',
  'GOMODCACHE',
  'GONOPROXY',
  'GONOSUMDB',
  'GOPATH',
  'GOPRIVATE',
  'GOPROXY',
  'GOSUMDB',
  'GOVCS',
] as const;

// Each has a default, which a setting of the user would change.
const ARCHITECTURES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'linux/amd64': { GOARCH: 'amd64', GOAMD64: 'v1' },
  'linux/arm64': { GOARCH: 'arm64', GOARM64: 'v8.0' },
  'linux/arm/v7': { GOARCH: 'arm', GOARM: '7' },
  'linux/arm/v6': { GOARCH: 'arm', GOARM: '6' },
  'linux/386': { GOARCH: '386', GO386: 'sse2' },
  'linux/ppc64le': { GOARCH: 'ppc64le', GOPPC64: 'power8' },
  'linux/riscv64': { GOARCH: 'riscv64', GORISCV64: 'rva20u64' },
  'linux/s390x': { GOARCH: 's390x' },
};

/** Go's variables for a platform: what `go build` needs to compile for it. */
export function goPlatform(platform: Platform): Readonly<Record<string, string>> {
  return { GOOS: platformParts(platform).os, ...ARCHITECTURES[platform] };
}

/**
 * Asks Go about a folder. What the user has set with `go env -w` holds for fetching alone. Throws `TOOLCHAIN` where Go
 * is missing or too old, and where no go.mod of the workspace holds for the folder.
 */
export async function readGoFacts(folder: string, workspaceRoot: string): Promise<GoFacts> {
  const env = {
    ...environmentOf([...MACHINE_VARIABLES, ...NETWORK_VARIABLES, ...FETCHING, 'GOENV', 'XDG_CACHE_HOME']),
    // The Go of this machine, not one that it would fetch.
    GOTOOLCHAIN: 'local',
    GOFLAGS: '',
  };
  // Named, since Go asks the C compiler for some of the others.
  const asked = ['GOVERSION', 'GOROOT', 'GOMOD', 'GOWORK', 'GOMODCACHE', ...FETCHING];
  const answer = await commandOutput('go', ['env', '-json', ...asked], { cwd: folder, env });
  if (answer.missing) throw missingTool('go', 'Install Go: https://go.dev/doc/install');
  if (!answer.ok) {
    throw new PrebuiltError('TOOLCHAIN', `go env: ${answer.text}`, {
      hint: `Run it yourself until it works: cd ${folder} && go env`,
    });
  }
  const told: Readonly<Record<string, string>> = JSON.parse(answer.text);
  const version = (told.GOVERSION ?? '').replace(/^go/, '');
  if (!isAtLeast(version, MIN_GO)) {
    throw new PrebuiltError('TOOLCHAIN', `go: expected ${MIN_GO.join('.')} or newer, found ${version}`, {
      hint: 'Install a newer Go: https://go.dev/doc/install',
    });
  }
  const goMod = told.GOMOD ?? '';
  if (!isAbsolute(goMod) || isOutside(workspaceRoot, goMod)) {
    throw new PrebuiltError(
      'TOOLCHAIN',
      `go: expected a go.mod in ${folder} or above it inside the workspace, found ${isAbsolute(goMod) && goMod !== '/dev/null' ? goMod : 'none'}`,
      { hint: 'Make one with `go mod init`, or name the folder that has it as the toolchain’s "folder".' },
    );
  }
  const goWork = told.GOWORK && !isOutside(workspaceRoot, told.GOWORK) ? told.GOWORK : undefined;
  return {
    version,
    root: told.GOROOT ?? '',
    moduleCache: told.GOMODCACHE ?? '',
    goMod,
    goWork,
    isVendored: existsSync(join(dirname(goWork ?? goMod), 'vendor/modules.txt')),
    environment: {
      ...env,
      ...Object.fromEntries(FETCHING.flatMap((name) => (told[name] ? [[name, told[name]]] : []))),
      GOENV: 'off',
      GOWORK: goWork ?? 'off',
      GOEXPERIMENT: '',
    },
  };
}

/** Whether a version such as 1.24.4 or 1.25rc1 is at least the given one. */
export function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [, foundMajor, foundMinor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  // A development version has no number, and is newer than any.
  if (foundMajor === undefined) return version.startsWith('devel');
  return Number(foundMajor) > major || (Number(foundMajor) === major && Number(foundMinor) >= minor);
}

function isOutside(root: string, path: string): boolean {
  const inner = relative(root, path);
  return inner === '..' || inner.startsWith(join('..', '/')) || isAbsolute(inner);
}
