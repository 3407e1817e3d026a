import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { platformSuffix } from '../src/artifacts/platform.ts';
import { readCrates } from '../src/toolchains/cargo/crates.ts';
import { readRustFacts } from '../src/toolchains/cargo/environment.ts';
import { rustGnuTarget } from '../src/toolchains/target-names.ts';
import { writeFiles } from '../testing/files.ts';
import { copyHostSysroot, HOST, LOADER } from '../testing/host-sysroot.ts';
import { buildIn, checksumsIn, keyIn, type ToolchainBuild, verifyIn } from '../testing/toolchain-build.ts';

const HAS_CARGO = ['cargo', 'rustc', 'cc'].every((file) => spawnSync(file, ['--version']).status === 0);

const FILES: Readonly<Record<string, string>> = {
  'Cargo.toml': '[workspace]\nmembers = ["tool", "greeting", "unused", "mac"]\nresolver = "2"\n',
  'tool/Cargo.toml':
    '[package]\nname = "tool"\nversion = "0.1.0"\nedition = "2021"\nlicense = "MIT/Apache-2.0"\n\n[features]\nloud = []\n\n[dependencies]\ngreeting = { path = "../greeting", version = "0.3.0" }\nmac = { path = "../mac", version = "0.2.0" }\n\n[dev-dependencies]\nunused = { path = "../unused", version = "0.9.0" }\n',
  'tool/src/main.rs':
    'fn main() { println!("{} {} {}", greeting::WORD, option_env!("RELEASE_VERSION").unwrap_or("dev"), cfg!(feature = "loud")); if std::env::args().count() > 9 { panic!("{}", file!()) } }\n',
  'tool/src/bin/worker.rs': 'fn main() { println!("worker {}", env!("RELEASE_VERSION")); }\n',
  'greeting/Cargo.toml':
    '[package]\nname = "greeting"\nversion = "0.3.0"\nedition = "2021"\nlicense = "MIT"\n',
  'greeting/src/lib.rs': 'pub const WORD: &str = "hello";\n',
  'unused/Cargo.toml': '[package]\nname = "unused"\nversion = "0.9.0"\nedition = "2021"\n',
  'unused/src/lib.rs': '',
  'mac/Cargo.toml':
    '[package]\nname = "mac"\nversion = "0.2.0"\nedition = "2021"\n\n[lib]\nproc-macro = true\n',
  'mac/src/lib.rs': '',
};

const rust = (toolchain: Readonly<Record<string, unknown>> = {}): ToolchainBuild => ({
  toolchain: { name: 'cargo', folder: 'tool', targets: { [HOST]: rustGnuTarget(HOST) }, ...toolchain },
  platforms: [HOST],
  sysroot: 'sysroots',
});
const TWO = rust({ bin: 'tool', executables: { worker: 'worker' } });

const made: string[] = [];
async function workspace(change: Readonly<Record<string, string>> = {}): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'cargo-'));
  made.push(root);
  await writeFiles(root, { ...FILES, ...change });
  await copyHostSysroot(join(root, 'sysroots'), ['libc.so.6', 'libgcc_s.so.1']);
  spawnSync('cargo', ['generate-lockfile', '--offline'], { cwd: root });
  return root;
}
async function programPath(file: string): Promise<string> {
  const which = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', file], { encoding: 'utf8' });
  return which.stdout.trim();
}
beforeEach(({ skip }) => {
  if (!HAS_CARGO) skipOutsideCi('there is no Rust with a linker: apt-get install cargo', skip);
});
afterAll(() => Promise.all(made.map((root) => rm(root, { recursive: true, force: true }))));

describe('a Rust program with two executables', () => {
  let root: string;
  beforeAll(async () => {
    if (HAS_CARGO) root = await workspace();
  });

  it('a Rust program with two executables is built with its runtime files, knows its version, and passes verification', async () => {
    const { manifest } = await buildIn(root, TWO);
    expect(manifest.platforms[0]?.others?.map(({ name }) => name)).toEqual(['worker']);
    expect(manifest.platforms[0]?.runtime.files.map(({ path }) => path)).toContain(LOADER);
    expect(await verifyIn(root)).toMatchObject([{ result: 'passed', execution: { how: 'native' } }]);
  });

  it('a Rust program with two executables consists of the crates that `cargo tree` shows without macros', async () => {
    const { manifest } = await buildIn(root, TWO);
    expect(manifest.components).toEqual([
      { kind: 'library', purl: 'pkg:cargo/greeting@0.3.0', license: 'MIT' },
      { kind: 'library', purl: 'pkg:cargo/tool@0.1.0', license: 'MIT OR Apache-2.0' },
      {
        kind: 'framework',
        purl: `pkg:generic/rust@${manifest.toolchain.version}`,
        license: 'MIT OR Apache-2.0',
      },
    ]);
    const args = ['tree', '--offline', '-e', 'normal,no-proc-macro', '--prefix', 'none'];
    const shown = execFileSync('cargo', args, { cwd: join(root, 'tool'), encoding: 'utf8' });
    const crates = [...shown.matchAll(/^(\S+) v(\S+)/gm)].map(
      ([, name, version]) => `pkg:cargo/${name}@${version}`,
    );
    expect(
      manifest.components.map(({ purl }) => purl).filter((purl) => purl.startsWith('pkg:cargo')),
    ).toEqual(crates.sort());
  });

  it('a Rust program with two executables has the same bytes in another folder and in a hostile environment', async () => {
    await buildIn(root, TWO);
    const other = await workspace();
    const hostile = {
      RUSTFLAGS: '-C opt-level=0',
      CARGO_BUILD_TARGET: 'none',
      CARGO_PROFILE_RELEASE_OPT_LEVEL: '0',
    };
    Object.assign(process.env, hostile);
    try {
      await buildIn(other, TWO);
    } finally {
      for (const name of Object.keys(hostile)) delete process.env[name];
    }
    expect(await checksumsIn(other)).toBe(await checksumsIn(root));
    const bytes = await readFile(join(other, 'dist/bin', `server-${platformSuffix(HOST)}`), 'latin1');
    expect(bytes).not.toContain(other);
  });

  it('a Rust program with two executables has the specified features', async () => {
    await buildIn(root, rust({ bin: 'tool', features: ['loud'] }));
    const [report] = await verifyIn(root);
    expect(report?.result).toBe('passed');
    const bytes = await readFile(join(root, 'dist/bin/manifest.json'), 'utf8');
    await buildIn(root, rust({ bin: 'tool' }));
    expect(await readFile(join(root, 'dist/bin/manifest.json'), 'utf8')).not.toBe(bytes);
  });

  it('a Rust program with two executables has a cache key that changes only with the crates it depends on', async () => {
    const before = await keyIn(root, TWO);
    const change = async (path: string): Promise<boolean> => {
      const text = await readFile(join(root, path), 'utf8');
      await writeFile(join(root, path), `${text}// more\n`);
      const moved = (await keyIn(root, TWO)) !== before;
      await writeFile(join(root, path), text);
      return moved;
    };
    expect(await change('greeting/src/lib.rs')).toBe(true);
    expect(await change('tool/src/main.rs')).toBe(true);
    expect(await keyIn(root, TWO)).toBe(before);
    // In a repository, cargo would list its content among the sources.
    expect(existsSync(join(root, 'target'))).toBe(false);
    await mkdir(join(root, '.cargo'));
    await writeFile(join(root, '.cargo/config.toml'), '[net]\nretry = 2\n');
    expect(await keyIn(root, TWO)).not.toBe(before);
    await rm(join(root, '.cargo'), { recursive: true });
    // A different C compiler has different startup files.
    const path = process.env.PATH;
    try {
      await writeFile(join(root, 'cc'), '#!/bin/sh\necho another 1.0\n', { mode: 0o755 });
      process.env.PATH = `${root}:${path}`;
      expect(await keyIn(root, TWO)).not.toBe(before);
    } finally {
      process.env.PATH = path;
    }
  });
});

// Crates from a registry: with checksums, in a folder that replaces the registry.
const crate = (id: string, manifest = '', source = ''): Readonly<Record<string, string>> => {
  const [name, version] = id.split('@');
  return {
    [`vendor/${name}-${version}/Cargo.toml`]: `[package]\nname = "${name}"\nversion = "${version}"\nedition = "2021"\nlicense = "MIT"\n${manifest}`,
    [`vendor/${name}-${version}/src/lib.rs`]: source,
    [`vendor/${name}-${version}/.cargo-checksum.json`]: JSON.stringify({
      files: {},
      package: createHash('sha256').update(id).digest('hex'),
    }),
  };
};

// Used and unused crates: in two versions, only for the build, only for tests, through a macro, for a feature, for some
// targets, patched, and from outside the workspace.
const CRATES: Readonly<Record<string, string>> = {
  'ws/Cargo.toml':
    '[workspace]\nmembers = ["tool"]\nresolver = "2"\n\n[patch.crates-io]\npatched = { path = "../patched" }\n',
  'ws/.cargo/config.toml':
    '[source.crates-io]\nreplace-with = "vendor"\n\n[source.vendor]\ndirectory = "../vendor"\n',
  'ws/tool/Cargo.toml': [
    '[package]\nname = "tool"\nversion = "0.1.0"\nedition = "2021"',
    '[features]\nloud = ["dep:optional"]',
    '[dependencies]\nalpha = "1"\nbeta = "1"\nmac = "1"\npatched = "1"',
    'optional = { version = "1", optional = true }\noutside = { path = "../../outside" }',
    '[target.\'cfg(windows)\'.dependencies]\nwindows-only = "1"',
    '[target.\'cfg(target_arch = "s390x")\'.dependencies]\nmainframe = "1"',
    '[target.\'cfg(target_env = "musl")\'.dependencies]\nmusl-only = "1"',
    '[build-dependencies]\nbuilder = "1"',
    '[dev-dependencies]\ntested = "1"',
    '',
  ].join('\n'),
  'ws/tool/build.rs': 'fn main() {}\n',
  'ws/tool/src/main.rs': 'fn main() {}\n',
  'outside/Cargo.toml':
    '[package]\nname = "outside"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\nbeyond = { path = "../beyond" }\n',
  'outside/src/lib.rs': '',
  'beyond/Cargo.toml': '[package]\nname = "beyond"\nversion = "0.2.0"\nedition = "2021"\n',
  'beyond/src/lib.rs': '',
  'patched/Cargo.toml': '[package]\nname = "patched"\nversion = "1.0.9"\nedition = "2021"\n',
  'patched/src/lib.rs': '',
  ...crate('alpha@1.2.0'),
  ...crate('alpha@0.9.0'),
  ...crate('beta@1.0.0', '\n[dependencies]\nalpha = "0.9"\n'),
  ...crate('builder@1.0.0'),
  ...crate('mac@1.0.0', '\n[lib]\nproc-macro = true\n\n[dependencies]\nwithin-mac = "1"\n'),
  ...crate('within-mac@1.0.0'),
  ...crate('mainframe@1.0.0'),
  ...crate('musl-only@1.0.0'),
  ...crate('optional@1.0.0'),
  ...crate('patched@1.0.0'),
  ...crate('tested@1.0.0'),
  ...crate('windows-only@1.0.0'),
};

describe('the crates of a Rust program', () => {
  const EVERYWHERE = ['alpha@0.9.0', 'alpha@1.2.0', 'beta@1.0.0', 'beyond@0.2.0'];
  const REST = ['outside@0.1.0', 'patched@1.0.9', 'tool@0.1.0'];
  let root: string;
  let folder: string;
  beforeAll(async () => {
    if (!HAS_CARGO) return;
    root = await mkdtemp(join(tmpdir(), 'crates-'));
    made.push(root);
    await writeFiles(root, CRATES);
    folder = join(root, 'ws/tool');
    execFileSync('cargo', ['generate-lockfile', '--offline'], { cwd: folder, stdio: 'pipe' });
  });

  it.each<[string, readonly string[], readonly string[]]>([
    ['x86_64-unknown-linux-gnu', [], []],
    ['aarch64-unknown-linux-musl', [], ['musl-only@1.0.0']],
    ['s390x-unknown-linux-gnu', ['--features=loud'], ['mainframe@1.0.0', 'optional@1.0.0']],
  ])(
    'the crates of a Rust program for %s are exactly those that `cargo tree` shows without macros',
    async (triple, features, more) => {
      const rustFacts = await readRustFacts(folder);
      const crates = await readCrates(rustFacts, { folder, packages: ['tool'], triple, features });
      expect(crates.map(({ purl }) => purl)).toEqual(
        [...EVERYWHERE, ...more, ...REST].map((id) => `pkg:cargo/${id}`),
      );
      // Printed as a tree, and cut at each macro here.
      const args = [
        'tree',
        '--offline',
        '--edges=normal',
        `--target=${triple}`,
        '--prefix=depth',
        ...features,
      ];
      const lines = execFileSync('cargo', args, { cwd: folder, encoding: 'utf8' }).trim().split('\n');
      const shown = new Set<string>();
      let cut = Number.POSITIVE_INFINITY;
      for (const line of lines) {
        const [, depth, name, version] = /^(\d+)(\S+) v(\S+)/.exec(line) ?? [];
        if (Number(depth) <= cut)
          cut = line.includes('(proc-macro)') ? Number(depth) : Number.POSITIVE_INFINITY;
        if (Number(depth) < cut) shown.add(`pkg:cargo/${name}@${version}`);
      }
      expect([...shown].sort()).toEqual(crates.map(({ purl }) => purl));
    },
  );

  it('the crates of a Rust program affect its cache key even if patched or outside the workspace', async () => {
    const build = rust({ folder: 'ws/tool' });
    const keys = new Set([await keyIn(root, build)]);
    for (const path of ['outside', 'beyond', 'patched']) {
      await writeFile(join(root, path, 'src/lib.rs'), '// changed\n');
      keys.add(await keyIn(root, build));
    }
    expect(keys.size).toBe(4);
  });
});

describe('a Rust program that cannot be built', () => {
  const foreign = { ...rust({ bin: 'tool', targets: {} }), platforms: ['linux/s390x'] };
  it.each<[string, Readonly<Record<string, string>>, ToolchainBuild, string, string]>([
    [
      'in a missing folder',
      {},
      rust({ folder: 'nowhere' }),
      'toolchain.folder: expected a folder, found none',
      '"folder" is relative to',
    ],
    [
      'from a folder without a package, in a workspace with several binaries',
      {},
      rust({ folder: 'sysroots' }),
      'expected one binary in',
      'list the others to ship in "executables"',
    ],
    [
      'with an unreadable Cargo.toml',
      { 'tool/Cargo.toml': '[package' },
      rust({ bin: 'tool' }),
      'cargo metadata in',
      'Run it yourself until it works: cd ',
    ],
    [
      'without a binary',
      {},
      rust({ folder: 'greeting' }),
      'expected a package with a binary',
      'src/main.rs, a file in src/bin, or a [[bin]]',
    ],
    [
      'with several binaries',
      {},
      rust(),
      'expected one binary in',
      'list the others to ship in "executables"',
    ],
    [
      'with a missing binary',
      {},
      rust({ bin: 'absent' }),
      'expected the binary absent in',
      'Use one of those',
    ],
    [
      'for a platform without a standard library',
      {},
      foreign,
      "linux/s390x: expected Rust's standard library for s390x-unknown-linux-musl or s390x-unknown-linux-gnu, found only",
      'rustup target add s390x-unknown-linux-musl',
    ],
    [
      'with a missing linker',
      {},
      rust({ bin: 'tool', linkers: { [HOST]: 'no-such-linker' } }),
      `${HOST}: expected the linker no-such-linker for ${rustGnuTarget(HOST)}, found none`,
      '"linkers"',
    ],
    [
      'with a missing cargo-zigbuild',
      {},
      rust({ bin: 'tool', zigbuild: true }),
      'cargo-zigbuild: expected a program in PATH, found none',
      'cargo install --locked cargo-zigbuild',
    ],
    [
      'with a version variable that no source file reads',
      {},
      rust({ bin: 'tool', version: 'OTHER_VERSION' }),
      'expected a source file that reads OTHER_VERSION, found none',
      'env!("OTHER_VERSION")',
    ],
    [
      'that does not compile',
      { 'tool/src/main.rs': 'fn main() { x }\n' },
      rust({ bin: 'tool' }),
      'cannot find value `x`',
      '',
    ],
  ])('a Rust program %s is refused', async (_, files, build, message, hint) => {
    await expect(buildIn(await workspace(files), build)).rejects.toMatchObject({
      name: 'PrebuiltError',
      code: hint === '' ? 'COMPILE_FAILED' : 'TOOLCHAIN',
      message: expect.stringContaining(message),
      hint: hint === '' ? undefined : expect.stringContaining(hint),
    });
  });

  it('a Rust program is refused if only another program of its workspace reads the version', async () => {
    const root = await workspace({
      'unused/src/main.rs': 'fn main() { println!("{}", env!("OWN_VERSION")); }\n',
    });
    const own = { version: 'OWN_VERSION' };
    await buildIn(root, { ...rust({ ...own, folder: 'unused' }), name: 'unused' });
    await expect(
      buildIn(root, { ...rust({ ...own, bin: 'tool' }), outputPath: 'dist/tool' }),
    ).rejects.toMatchObject({
      code: 'TOOLCHAIN',
      message: expect.stringContaining('expected a source file that reads OWN_VERSION, found none'),
    });
  });

  it('a Rust program is refused without libgcc_s.so.1 in its sysroot', async () => {
    const build = { ...rust({ bin: 'tool' }), sysroot: 'empty' };
    await expect(buildIn(await workspace(), build)).rejects.toMatchObject({
      name: 'PrebuiltError',
      message: expect.stringContaining('empty'),
    });
  });

  it('a Rust program is refused without a Cargo.lock', async () => {
    const root = await workspace();
    await rm(join(root, 'Cargo.lock'));
    await expect(buildIn(root, rust({ bin: 'tool' }))).rejects.toMatchObject({
      message: expect.stringMatching(/expected .*Cargo\.lock, found none/),
      hint: expect.stringContaining('cargo generate-lockfile'),
    });
  });

  const NO_TOOLCHAIN = 'echo "error: no default toolchain" >&2; exit 1';
  const REAL = ['cargo', 'rustc'] as const;
  it.each<[string, Readonly<Record<string, string>>, readonly string[], string, string]>([
    [
      'if Rust is missing',
      {},
      [],
      'rustc: expected a program in PATH, found none',
      'Install Rust: https://rust-lang.org/tools/install',
    ],
    [
      'if Rust is too old',
      { rustc: 'echo "rustc 1.50.0"', cargo: 'echo "cargo 1.50.0"' },
      [],
      'cargo: expected 1.64 or newer, found cargo 1.50.0',
      'Install a newer Rust',
    ],
    [
      'if rustup has no toolchain',
      { rustc: NO_TOOLCHAIN, cargo: NO_TOOLCHAIN },
      [],
      'error: no default toolchain',
      'Run it yourself until it works: cd ',
    ],
    [
      'if the default linker is missing',
      {},
      REAL,
      'cargo: expected the linker cc, found none',
      'Install it (Debian: gcc)',
    ],
  ])('a Rust program is refused %s', async (_, stubs, real, message, hint) => {
    const root = await workspace();
    const folder = join(root, 'path');
    await mkdir(folder);
    for (const [file, script] of Object.entries(stubs)) {
      await writeFile(join(folder, file), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    for (const file of real) await symlink(await programPath(file), join(folder, file));
    const path = process.env.PATH;
    try {
      process.env.PATH = folder;
      await expect(buildIn(root, rust({ bin: 'tool' }))).rejects.toMatchObject({
        code: 'TOOLCHAIN',
        message: expect.stringContaining(message),
        hint: expect.stringContaining(hint),
      });
    } finally {
      process.env.PATH = path;
    }
  });

  it('a Rust program is built without its version if no source file reads it, with a message', async () => {
    const root = await workspace({ 'tool/src/main.rs': 'fn main() {}\n' });
    const { lines } = await buildIn(root, rust({ bin: 'tool' }));
    expect(lines).toContain(
      'cargo: no source file reads RELEASE_VERSION: the executable won’t know its version',
    );
  });

  it('a Rust program is compiled by cargo-zigbuild if requested', async () => {
    const root = await workspace();
    const path = process.env.PATH;
    try {
      await mkdir(join(root, 'bin'));
      const script = join(root, 'bin/cargo-zigbuild');
      // cargo passes the subcommand's name as the first argument.
      // https://doc.rust-lang.org/cargo/reference/external-tools.html
      const answer = 'if [ "$1" = --version ]; then echo cargo-zigbuild 0.20.1; exit; fi';
      await writeFile(script, `#!/bin/sh\n${answer}\nshift\ntouch ${root}/used\nexec cargo build "$@"\n`);
      await chmod(script, 0o755);
      process.env.PATH = `${join(root, 'bin')}:${path}`;
      await buildIn(root, rust({ bin: 'tool', zigbuild: true }));
      expect(await readFile(join(root, 'used'), 'utf8')).toBe('');
    } finally {
      process.env.PATH = path;
    }
  });
});
