import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hostPlatform } from '../src/artifacts/platform.ts';
import { rustGnuTarget } from '../src/toolchains/target-names.ts';
import { buildIn, checksumsIn, keyIn, type ToolchainBuild, verifyIn } from '../testing/toolchain-build.ts';

const HAS_CARGO = ['cargo', 'rustc', 'cc'].every((file) => spawnSync(file, ['--version']).status === 0);

const host = hostPlatform(process.platform, process.arch);
if (host !== 'linux/amd64' && host !== 'linux/arm64')
  throw new Error(`these tests need linux on amd64 or arm64, not ${host}`);
const LOADER = host === 'linux/amd64' ? 'lib64/ld-linux-x86-64.so.2' : 'lib/ld-linux-aarch64.so.1';
const LIBRARIES = `lib/${host === 'linux/amd64' ? 'x86_64' : 'aarch64'}-linux-gnu`;

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
  toolchain: { name: 'cargo', folder: 'tool', targets: { [host]: rustGnuTarget(host) }, ...toolchain },
  platforms: [host],
  sysroot: 'sysroots',
});
const TWO = rust({ bin: 'tool', executables: { worker: 'worker' } });

const made: string[] = [];
async function workspace(change: Readonly<Record<string, string>> = {}): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'cargo-'));
  made.push(root);
  for (const [path, content] of Object.entries({ ...FILES, ...change })) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  const sysroot = join(root, 'sysroots', (host as string).replace('/', '-'));
  for (const path of [LOADER, `${LIBRARIES}/libc.so.6`, `${LIBRARIES}/libgcc_s.so.1`]) {
    await mkdir(dirname(join(sysroot, path)), { recursive: true });
    await copyFile(join('/', path), join(sysroot, path));
  }
  spawnSync('cargo', ['generate-lockfile', '--offline'], { cwd: root });
  return root;
}
beforeEach(({ skip }) => {
  if (!HAS_CARGO) skipOutsideCi('there is no Rust with a linker: apt-get install cargo', skip);
});
afterAll(() => Promise.all(made.map((root) => rm(root, { recursive: true, force: true }))));

describe('a program of Rust with two executables', () => {
  let root: string;
  beforeAll(async () => {
    if (HAS_CARGO) root = await workspace();
  });

  it('is made with its runtime files, knows its version, and passes verification', async () => {
    const { manifest } = await buildIn(root, TWO);
    expect(manifest.platforms[0]?.others?.map(({ name }) => name)).toEqual(['worker']);
    expect(manifest.platforms[0]?.runtime.files.map(({ path }) => path)).toContain(LOADER);
    expect(await verifyIn(root)).toMatchObject([{ result: 'passed', execution: { how: 'native' } }]);
  });

  it('is made of the crates that `cargo tree` shows without macros', async () => {
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

  it('has the same bytes from another folder and in a hostile environment', async () => {
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
    const bytes = await readFile(
      join(other, 'dist/bin', `server-${(host as string).replace('/', '-')}`),
      'latin1',
    );
    expect(bytes).not.toContain(other);
  });

  it('has the features that it is told to have', async () => {
    await buildIn(root, rust({ bin: 'tool', features: ['loud'] }));
    const [report] = await verifyIn(root);
    expect(report?.result).toBe('passed');
    const bytes = await readFile(join(root, 'dist/bin/manifest.json'), 'utf8');
    await buildIn(root, rust({ bin: 'tool' }));
    expect(await readFile(join(root, 'dist/bin/manifest.json'), 'utf8')).not.toBe(bytes);
  });

  it('has a key that moves with the crates it depends on, and with no others', async () => {
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
    // Cargo lists what it makes there among the sources of a repository.
    expect(existsSync(join(root, 'target'))).toBe(false);
    await mkdir(join(root, '.cargo'));
    await writeFile(join(root, '.cargo/config.toml'), '[net]\nretry = 2\n');
    expect(await keyIn(root, TWO)).not.toBe(before);
    await rm(join(root, '.cargo'), { recursive: true });
  });
});

describe('a program of Rust that can not be made', () => {
  it.each<[string, Readonly<Record<string, string>>, ToolchainBuild, string]>([
    [
      'from a folder without a package, in a workspace of several binaries',
      {},
      rust({ folder: 'sysroots' }),
      'expected one binary in',
    ],
    ['without a binary', {}, rust({ folder: 'greeting' }), 'expected a package with a binary'],
    ['with several binaries', {}, rust(), 'expected one binary in'],
    ['with a binary that is not there', {}, rust({ bin: 'absent' }), 'expected the binary absent in'],
    [
      'for a platform without a standard library',
      {},
      { ...rust({ bin: 'tool', targets: {} }), platforms: ['linux/s390x'] },
      "linux/s390x: expected Rust's standard library for s390x-unknown-linux-musl or s390x-unknown-linux-gnu, found those for",
    ],
    [
      'with a variable for the version that no source reads',
      {},
      rust({ bin: 'tool', version: 'OTHER_VERSION' }),
      'expected a source that reads OTHER_VERSION, found none',
    ],
    [
      'that does not compile',
      { 'tool/src/main.rs': 'fn main() { x }\n' },
      rust({ bin: 'tool' }),
      'cannot find value `x`',
    ],
    ['without libgcc_s.so.1 in its sysroot', {}, { ...rust({ bin: 'tool' }), sysroot: 'empty' }, 'empty'],
  ])('%s is refused', async (_, files, build, message) => {
    await expect(buildIn(await workspace(files), build)).rejects.toMatchObject({
      name: 'PrebuiltError',
      message: expect.stringContaining(message),
    });
  });

  it('is refused without a Cargo.lock', async () => {
    const root = await workspace();
    await rm(join(root, 'Cargo.lock'));
    await expect(buildIn(root, rust({ bin: 'tool' }))).rejects.toThrow(/expected .*Cargo\.lock, found none/);
  });

  it('is refused where Rust is missing or too old', async () => {
    const root = await workspace();
    const path = process.env.PATH;
    try {
      process.env.PATH = join(root, 'nowhere');
      await expect(buildIn(root, rust({ bin: 'tool' }))).rejects.toMatchObject({
        code: 'TOOLCHAIN',
        hint: /Install Rust/,
      });
      await mkdir(join(root, 'old'));
      for (const file of ['rustc', 'cargo']) {
        await writeFile(join(root, 'old', file), '#!/bin/sh\necho "cargo 1.50.0"\n');
        await chmod(join(root, 'old', file), 0o755);
      }
      process.env.PATH = `${join(root, 'old')}:${path}`;
      await expect(buildIn(root, rust({ bin: 'tool' }))).rejects.toThrow(
        'expected 1.64 or newer, found cargo 1.50.0',
      );
    } finally {
      process.env.PATH = path;
    }
  });

  it('is made without its version where no source reads it, and that is said', async () => {
    const root = await workspace({ 'tool/src/main.rs': 'fn main() {}\n' });
    const { lines } = await buildIn(root, rust({ bin: 'tool' }));
    expect(lines).toContain(
      'cargo: no source reads RELEASE_VERSION: the executable does not know its version',
    );
  });

  it('is compiled by cargo-zigbuild where that is asked for', async () => {
    const root = await workspace();
    const path = process.env.PATH;
    try {
      await mkdir(join(root, 'bin'));
      const script = join(root, 'bin/cargo-zigbuild');
      // Called by cargo with its own name first. https://doc.rust-lang.org/cargo/reference/external-tools.html
      await writeFile(script, `#!/bin/sh\nshift\ntouch ${root}/used\nexec cargo build "$@"\n`);
      await chmod(script, 0o755);
      process.env.PATH = `${join(root, 'bin')}:${path}`;
      await buildIn(root, rust({ bin: 'tool', zigbuild: true }));
      expect(await readFile(join(root, 'used'), 'utf8')).toBe('');
    } finally {
      process.env.PATH = path;
    }
  });
});
