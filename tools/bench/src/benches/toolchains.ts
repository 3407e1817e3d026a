import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { BenchError } from '../errors.ts';
import { executorCommand } from '../executor-command.ts';
import { type Command, requireProgram, runAll, withEnvironment } from '../process.ts';
import { writeGoSources } from './go-sources.ts';
import { writeRustSources } from './rust-sources.ts';

/** The commands that one side compiles with, and its compiler cache. */
interface CompilerSide {
  readonly commands: readonly Command[];
  readonly cache: string;
}

interface ToolchainPair {
  readonly ours: CompilerSide;
  readonly theirs: CompilerSide;
  /** The source file that is changed before each run, relative to the root. */
  readonly source: string;
}

type Kind = 'cold' | 'warm';
type MakePair = (root: string, kind: Kind) => Promise<ToolchainPair>;

/**
 * Two benchmarks per toolchain: from an empty cache, and with one file changed. With nothing changed there is nothing
 * to measure: Nx restores the build from its cache.
 */
function toolchainBenches(
  name: string,
  fields: { readonly titles: Readonly<Record<Kind, string>>; readonly theirs: string },
  make: MakePair,
): readonly Bench[] {
  const bench = (kind: Kind, ratio: number): Bench => ({
    name: `${name}-${kind}`,
    title: fields.titles[kind],
    ours: 'the build-binaries executor in a Node process: compiled, hashed, ELF and components read',
    theirs: fields.theirs,
    unit: 'ms',
    target: { kind: 'at-most', ratio },
    async prepare() {
      const root = await mkdtemp(join(tmpdir(), `bench-${name}-`));
      const pair = await make(root, kind);
      const path = join(root, pair.source);
      const text = await readFile(path, 'utf8');
      let changes = 0;
      const side = ({ commands, cache }: CompilerSide) => ({
        before: async () => {
          if (kind === 'cold') await rm(cache, { recursive: true, force: true });
          changes += 1;
          await writeFile(path, `${text}\n// ${changes}\n`);
        },
        run: () => runAll(commands),
      });
      return {
        ours: side(pair.ours),
        theirs: side(pair.theirs),
        close: () => rm(root, { recursive: true, force: true }),
      };
    },
  });
  return [bench('cold', 1.15), bench('warm', 1.3)];
}

const VERSION = '1.2.3';

function buildBinaries(
  root: string,
  toolchain: object,
  platforms: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Command {
  const options = { name: 'program', toolchain, platforms, outputPath: 'dist/bin' };
  const command = executorCommand('build-binaries', options, root);
  return withEnvironment(command, { RELEASE_VERSION: VERSION, ...env });
}

const GO_PLATFORMS: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['linux/amd64', { GOARCH: 'amd64', GOAMD64: 'v1' }],
  ['linux/arm64', { GOARCH: 'arm64' }],
  ['linux/arm/v7', { GOARCH: 'arm', GOARM: '7' }],
  ['linux/arm/v6', { GOARCH: 'arm', GOARM: '6' }],
  ['linux/386', { GOARCH: '386', GO386: 'sse2' }],
  ['linux/ppc64le', { GOARCH: 'ppc64le' }],
  ['linux/riscv64', { GOARCH: 'riscv64' }],
  ['linux/s390x', { GOARCH: 's390x' }],
];

const goPair: MakePair = async (root, kind) => {
  await requireProgram('go', ['version']);
  await writeGoSources(root);
  const [own, bare] = [join(root, '.cache/go-ours'), join(root, '.cache/go-theirs')];
  const flags = `-s -w -buildid= -X=main.version=${VERSION}`;
  const args = ['build', '-trimpath', '-buildvcs=false', `-ldflags=${flags}`, '-o'];
  const toolchain = { name: 'go', folder: '.' };
  // The standard library takes so long to compile that three platforms are enough.
  const chosen = GO_PLATFORMS.slice(0, kind === 'cold' ? 3 : undefined);
  const platforms = chosen.map(([platform]) => platform);
  return {
    ours: { commands: [buildBinaries(root, toolchain, platforms, { GOCACHE: own })], cache: own },
    theirs: {
      commands: chosen.map(([platform, variables]) => ({
        file: 'go',
        args: [...args, join(root, '.cache/bare', platform.replaceAll('/', '-')), '.'],
        cwd: root,
        env: { ...variables, GOOS: 'linux', CGO_ENABLED: '0', GOFLAGS: '', GOCACHE: bare },
      })),
      cache: bare,
    },
    source: 'main.go',
  };
};

const RUST_TARGETS: Readonly<Record<string, readonly [string, string]>> = {
  x64: ['linux/amd64', 'x86_64-unknown-linux-gnu'],
  arm64: ['linux/arm64', 'aarch64-unknown-linux-gnu'],
};

const cargoPair: MakePair = async (root) => {
  await requireProgram('cargo', ['--version']);
  const [platform, triple] = RUST_TARGETS[process.arch] ?? [];
  if (platform === undefined || triple === undefined) {
    throw new BenchError('PREREQUISITE', `a Rust target for ${process.arch}: expected one of x64, arm64`);
  }
  await writeRustSources(root, triple);
  await runAll([{ file: 'cargo', args: ['generate-lockfile', '--offline'], cwd: root }]);
  const bare = join(root, '.cache/cargo-theirs');
  const toolchain = { name: 'cargo', folder: 'tool', targets: { [platform]: triple } };
  return {
    ours: {
      commands: [buildBinaries(root, toolchain, [platform])],
      cache: join(root, '.cache/prebuilt/cargo'),
    },
    theirs: {
      commands: [
        {
          file: 'cargo',
          args: ['build', '--locked', '--release', `--target=${triple}`, `--target-dir=${bare}`],
          cwd: join(root, 'tool'),
          env: { RELEASE_VERSION: VERSION, CARGO_INCREMENTAL: '0' },
        },
      ],
      cache: bare,
    },
    source: 'tool/src/main.rs',
  };
};

/** Building with the machine's own Go and Rust, against the bare compiler. */
export const toolchains: readonly Bench[] = [
  ...toolchainBenches(
    'compile-go',
    {
      titles: {
        cold: 'Compile a service in Go for three platforms, nothing compiled before',
        warm: 'Compile a service in Go for eight platforms, one file changed',
      },
      theirs: '`go build` of each platform, all in parallel over one cache, with the same flags',
    },
    goPair,
  ),
  ...toolchainBenches(
    'compile-cargo',
    {
      titles: {
        cold: 'Compile a Rust program of nine crates, nothing compiled before',
        warm: 'Compile a Rust program of nine crates, one file changed',
      },
      theirs: '`cargo build --locked --release` for the same target',
    },
    cargoPair,
  ),
];
