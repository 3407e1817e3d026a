import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { type Platform, platformParts } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { commandOutput } from '../../process/command-output.ts';
import { environmentOf, MACHINE_VARIABLES, missingTool, NETWORK_VARIABLES } from '../../process/compiler.ts';

/** The Go installation and its view of a folder. Paths are absolute. */
export interface GoFacts {
  /** `1.24.4`. */
  readonly version: string;
  /** The folder with the standard library. */
  readonly root: string;
  /** The folder with the fetched modules. */
  readonly moduleCache: string;
  /** The go.mod that applies to the folder. */
  readonly goMod: string;
  /** The workspace's go.work; undefined if there is none. */
  readonly goWork: string | undefined;
  /** Whether the repository has a vendor folder for its modules. */
  readonly isVendored: boolean;
  /** The environment for Go: includes the user's download settings, but nothing that affects the output. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The first Go version that supports every flag used here. */
const MIN_GO: readonly [number, number] = [1, 19];

// Where modules come from and where they are stored. These are up to the user and don't affect the output.
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

// Set explicitly, since the user's settings could change each default.
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

/** The variables that `go build` needs to compile for a platform. */
export function goPlatform(platform: Platform): Readonly<Record<string, string>> {
  return { GOOS: platformParts(platform).os, ...ARCHITECTURES[platform] };
}

/**
 * Reads Go's facts about a folder. Of the user's `go env -w` settings, only those for downloads apply. Throws
 * `TOOLCHAIN` if Go is missing or too old, or if no go.mod in the workspace applies to the folder.
 */
export async function readGoFacts(folder: string, workspaceRoot: string): Promise<GoFacts> {
  const env = {
    ...environmentOf([...MACHINE_VARIABLES, ...NETWORK_VARIABLES, ...FETCHING, 'GOENV', 'XDG_CACHE_HOME']),
    // Use the installed Go, never download another.
    GOTOOLCHAIN: 'local',
    GOFLAGS: '',
  };
  // Only these variables: for some others, Go would run the C compiler.
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
      { hint: 'Create one with `go mod init`, or set the toolchain’s "folder" to the folder that has it.' },
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
  // A development version has no number and counts as newer than any release.
  if (foundMajor === undefined) return version.startsWith('devel');
  return Number(foundMajor) > major || (Number(foundMajor) === major && Number(foundMinor) >= minor);
}

function isOutside(root: string, path: string): boolean {
  const inner = relative(root, path);
  return inner === '..' || inner.startsWith(join('..', '/')) || isAbsolute(inner);
}
