import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFile,
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openElf } from '@prebuilt/elf';
import { buildElf } from '@prebuilt/testing/elf';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockedSysroot } from '../../../testing/locked-sysroot.ts';
import { formatChecksums } from '../../artifacts/checksums.ts';
import {
  executableName,
  formatManifest,
  type Manifest,
  type PlatformArtifact,
  readManifest,
} from '../../artifacts/manifest.ts';
import { hostPlatform, parsePlatform } from '../../artifacts/platform.ts';
import { type Finding, readReport, type VerifyReport } from '../../artifacts/verify-report.ts';
import { emulatorPath } from '../../lock/emulator.ts';
import { collectRuntime } from '../../sysroot/collect-runtime.ts';
import verify from './executor.ts';
import { emulatorPlaces, readExecutionFacts } from './facts.ts';
import { type ExecutionFacts, planVerify } from './plan.ts';
import { relatedPlatforms } from './related-platforms.ts';
import { runVerify } from './run.ts';

const OPTIONS = {
  inputPath: 'dist/bin',
  outputPath: 'dist/verify',
  requireExecution: false,
  smoke: [['--version'], ['--help']],
  printsVersion: true,
  emulators: 'emulators',
  timeout: 60,
  json: false,
};

const host = hostPlatform(process.platform, process.arch);
if (host !== 'linux/amd64' && host !== 'linux/arm64')
  throw new Error(`these tests need linux on amd64 or arm64, not ${host}`);
const other = parsePlatform(host === 'linux/amd64' ? 'linux/arm64' : 'linux/amd64');
const triplet = host === 'linux/amd64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu';
const EXECUTABLE = `true-${host.replace('/', '-')}`;
const RUNTIME = `runtime-${host.replace('/', '-')}`;

let root: string;
let bin: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'verify-spec-'));
  bin = join(root, 'dist/bin');
  await mkdir(bin, { recursive: true });
  await copyFile('/bin/true', join(bin, EXECUTABLE));
  await chmod(join(bin, EXECUTABLE), 0o755);
  await describeBuild();
});
afterEach(() => rm(root, { recursive: true, force: true }));

/**
 * Collects the runtime files and writes the manifest and checksums for what is on disk. The program is coreutils' true.
 */
async function describeBuild(
  change: (manifest: Manifest) => Manifest = (manifest) => manifest,
): Promise<void> {
  const path = join(bin, EXECUTABLE);
  const content = await readFile(path);
  const elf = await openElf(path);
  const files = await collectRuntime(
    [elf],
    parsePlatform(host as string),
    () => lockedSysroot(parsePlatform(host as string)),
    join(bin, RUNTIME),
  );
  const printed = /\) (\S+)/.exec(execFileSync('/bin/true', ['--version'], { encoding: 'utf8' }));
  const manifest = change({
    schemaVersion: 2,
    name: 'true',
    version: printed?.[1] ?? 'unknown',
    revision: null,
    sourceDateEpoch: 0,
    toolchain: { name: 'coreutils', version: '9' },
    components: [],
    platforms: [
      {
        platform: parsePlatform(host as string),
        path: EXECUTABLE,
        size: content.length,
        sha256: createHash('sha256').update(content).digest('hex'),
        elf: {
          type: elf.type,
          machine: elf.machine,
          interpreter: elf.interpreter,
          needed: [...elf.needed],
          versionNeeds: {},
        },
        runtime: { path: RUNTIME, files: [...files] },
        components: [],
      },
    ],
  });
  await writeFile(join(bin, 'manifest.json'), formatManifest(manifest));
  await writeFile(join(bin, 'checksums.txt'), formatChecksums(manifest));
}

const DYNAMIC = {
  machine: host === 'linux/amd64' ? 'x86_64' : 'aarch64',
  interpreter: host === 'linux/amd64' ? '/lib64/ld-linux-x86-64.so.2' : '/lib/ld-linux-aarch64.so.1',
  needed: ['libc.so.6'],
  executableStack: false,
} as const;

const NOWHERE: ExecutionFacts = {
  host: parsePlatform('linux/s390x'),
  emulators: new Map(),
  unfetched: new Set(),
  related: new Set(),
};
const NATIVE: ExecutionFacts = { host, emulators: new Map(), unfetched: new Set(), related: new Set() };

async function verifyBuild(
  facts: ExecutionFacts = NATIVE,
  change: Partial<typeof OPTIONS> = {},
): Promise<VerifyReport> {
  const plan = planVerify({ ...OPTIONS, ...change }, root, await readManifest(bin), facts);
  const [report] = await runVerify(plan, new AbortController().signal);
  if (report === undefined) throw new Error('no report');
  return report;
}

/** Adds a second executable of the program, again coreutils' `true`, next to the first. */
async function addOther(name = 'worker'): Promise<string> {
  const path = executableName(name, parsePlatform(host as string));
  await copyFile('/bin/true', join(bin, path));
  await chmod(join(bin, path), 0o755);
  await describeBuild((manifest) => ({
    ...manifest,
    platforms: manifest.platforms.map((artifact) => {
      const { size, sha256, elf } = artifact;
      return { ...artifact, others: [{ name, path, size, sha256, elf }] };
    }),
  }));
  return join(bin, path);
}

/** Changes what the manifest says about the platform, but nothing else on disk. */
async function rewriteManifest(change: (artifact: PlatformArtifact) => PlatformArtifact): Promise<void> {
  const { manifest } = await readManifest(bin);
  await writeFile(
    join(bin, 'manifest.json'),
    formatManifest({ ...manifest, platforms: manifest.platforms.map(change) }),
  );
}

async function patch(path: string, change: (bytes: Buffer) => void): Promise<void> {
  const bytes = await readFile(path);
  change(bytes);
  await writeFile(path, bytes);
}

const library = (name: string): string => join(bin, RUNTIME, 'lib', triplet, name);

describe('a build that matches its manifest', () => {
  it('a build that matches its manifest passes, run natively with exactly its runtime files', async () => {
    expect(await verifyBuild()).toMatchObject({
      platform: host,
      result: 'passed',
      execution: { how: 'native' },
      findings: [],
      manifestSha256: createHash('sha256')
        .update(await readFile(join(bin, 'manifest.json')))
        .digest('hex'),
    });
  });

  it('a build that can’t be run passes with a warning, but fails if running is required', async () => {
    expect(await verifyBuild(NOWHERE)).toMatchObject({
      result: 'passed',
      execution: { how: 'none' },
      findings: [{ severity: 'warning', code: 'NOT_EXECUTED' }],
    });
    expect(await verifyBuild(NOWHERE, { requireExecution: true })).toMatchObject({
      result: 'failed',
      findings: [{ severity: 'error', code: 'NOT_EXECUTED' }],
    });
  });
});

interface Refusal {
  readonly name: string;
  readonly spoil: () => Promise<unknown>;
  readonly code: string;
  readonly says: string;
}

const sourceOf = async (platform: string, library: string): Promise<string> => {
  const folder = platform === 'linux/amd64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu';
  const sysroot = await lockedSysroot(parsePlatform(platform));
  const found = await sysroot.find(`/lib/${folder}/${library}`);
  if (found === undefined) throw new Error(`${sysroot.label}: no ${library}`);
  return found.source;
};
const otherMachine = (): Promise<string> => sourceOf(other, 'libc.so.6');
const REFUSALS: readonly Refusal[] = [
  {
    name: 'a missing executable',
    spoil: () => rm(join(bin, EXECUTABLE)),
    code: 'MISSING_FILE',
    says: 'found none',
  },
  {
    name: 'a truncated executable',
    spoil: () => truncate(join(bin, EXECUTABLE), 5000),
    code: 'WRONG_SIZE',
    says: 'found 5000',
  },
  {
    name: 'an empty executable',
    spoil: () => truncate(join(bin, EXECUTABLE), 0),
    code: 'NOT_ELF',
    says: 'an empty file',
  },
  {
    name: 'one flipped byte',
    spoil: () =>
      patch(join(bin, EXECUTABLE), (bytes) =>
        bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1),
      ),
    code: 'WRONG_HASH',
    says: 'expected SHA-256',
  },
  {
    name: 'a link instead of a file',
    spoil: async () => {
      await rename(join(bin, EXECUTABLE), join(root, 'elsewhere'));
      await symlink(join(root, 'elsewhere'), join(bin, EXECUTABLE));
    },
    code: 'NOT_REGULAR',
    says: 'a symbolic link',
  },
  {
    name: 'a folder instead of a file',
    spoil: async () => {
      await rm(join(bin, EXECUTABLE));
      await mkdir(join(bin, EXECUTABLE));
    },
    code: 'NOT_REGULAR',
    says: 'a folder',
  },
  {
    name: 'a pipe instead of a file, without waiting for it',
    spoil: async () => {
      await rm(join(bin, EXECUTABLE));
      execFileSync('mkfifo', [join(bin, EXECUTABLE)]);
    },
    code: 'NOT_REGULAR',
    says: 'a special file',
  },
  {
    name: 'a script',
    spoil: () => writeFile(join(bin, EXECUTABLE), '#!/bin/sh\nexit 0\n'),
    code: 'NOT_ELF',
    says: 'starts with 23 21',
  },
  {
    name: 'a 32-bit file',
    spoil: () => writeFile(join(bin, EXECUTABLE), buildElf({ machine: 'x86_64', class: 32 })),
    code: 'WRONG_MACHINE',
    says: 'found 32-bit little-endian',
  },
  {
    name: 'a big-endian file',
    spoil: () => writeFile(join(bin, EXECUTABLE), buildElf({ machine: 'x86_64', byteOrder: 'big' })),
    code: 'WRONG_MACHINE',
    says: 'found 64-bit big-endian',
  },
  {
    name: 'a core file',
    spoil: () => patch(join(bin, EXECUTABLE), (bytes) => bytes.writeUInt16LE(4, 16)),
    code: 'NOT_EXECUTABLE',
    says: 'found type core',
  },
  {
    name: 'an executable that is not executable',
    spoil: () => chmod(join(bin, EXECUTABLE), 0o644),
    code: 'WRONG_MODE',
    says: 'expected mode 0755, found 0644',
  },
  {
    name: 'an executable with the setuid bit',
    spoil: () => chmod(join(bin, EXECUTABLE), 0o4755),
    code: 'WRONG_MODE',
    says: 'found 4755',
  },
  {
    name: 'the file of another machine under this name',
    spoil: async () => copyFile(await otherMachine(), join(bin, EXECUTABLE)),
    code: 'WRONG_MACHINE',
    says: `for ${host}`,
  },
  {
    name: 'an executable stack',
    spoil: () => patch(join(bin, EXECUTABLE), makeStackExecutable),
    code: 'EXECUTABLE_STACK',
    says: 'found an executable stack',
  },
  {
    name: 'a RUNPATH',
    spoil: () => patch(join(bin, EXECUTABLE), turnDebugIntoRunpath),
    code: 'RUNPATH',
    says: 'expected no RUNPATH',
  },
  {
    name: 'a missing runtime library',
    spoil: () => rm(library('libc.so.6')),
    code: 'MISSING_LIBRARY',
    says: 'needs libc.so.6, which was not found',
  },
  {
    name: 'a runtime library without the needed versions',
    spoil: async () => copyFile(await sourceOf(host as string, 'libm.so.6'), library('libc.so.6')),
    code: 'MISSING_VERSION',
    says: 'from libc.so.6, which does not provide it',
  },
  {
    name: 'a runtime library of another machine',
    spoil: async () => copyFile(await otherMachine(), library('libc.so.6')),
    code: 'WRONG_MACHINE',
    says: 'libc.so.6: expected 64-bit',
  },
  {
    name: 'a changed runtime file',
    spoil: () => writeFile(join(bin, RUNTIME, 'etc/os-release'), 'ID=other\n'),
    code: 'WRONG_SIZE',
    says: `${RUNTIME}/etc/os-release`,
  },
  {
    name: 'an extra file in the runtime folder',
    spoil: () => writeFile(join(bin, RUNTIME, 'etc/ld.so.preload'), '/evil.so\n'),
    code: 'UNEXPECTED_FILE',
    says: 'etc/ld.so.preload: is not in the manifest',
  },
  {
    name: 'a file with control characters in its name, on one line',
    spoil: () => writeFile(join(bin, RUNTIME, 'etc/x\u001b[2J\ny'), ''),
    code: 'UNEXPECTED_FILE',
    says: 'etc/x [2J y: is not in the manifest',
  },
  {
    name: 'an extra folder in the runtime folder',
    spoil: () => mkdir(join(bin, RUNTIME, 'etc/ld.so.conf.d')),
    code: 'UNEXPECTED_FILE',
    says: 'etc/ld.so.conf.d: is not in the manifest',
  },
  {
    name: 'a link instead of a library',
    spoil: async () => {
      await rename(library('libc.so.6'), join(root, 'libc.so.6'));
      await symlink(join(root, 'libc.so.6'), library('libc.so.6'));
    },
    code: 'NOT_REGULAR',
    says: 'libc.so.6: expected a regular file, found a symbolic link',
  },
  {
    name: 'a link instead of a folder of libraries',
    spoil: async () => {
      await rename(join(bin, RUNTIME, 'lib'), join(root, 'lib'));
      await symlink(join(root, 'lib'), join(bin, RUNTIME, 'lib'));
    },
    code: 'UNEXPECTED_FILE',
    says: `${RUNTIME}/lib: is not in the manifest`,
  },
  {
    name: 'a library with a different mode',
    spoil: () => chmod(library('libc.so.6'), 0o666),
    code: 'WRONG_MODE',
    says: 'libc.so.6: expected mode 0',
  },
  {
    name: 'a missing interpreter',
    spoil: () => rm(join(bin, RUNTIME, DYNAMIC.interpreter)),
    code: 'MISSING_INTERPRETER',
    says: 'which was not found',
  },
  {
    name: 'a library in a folder that the dynamic loader does not search',
    spoil: async () => {
      await mkdir(join(bin, RUNTIME, 'opt'));
      await rename(library('libc.so.6'), join(bin, RUNTIME, 'opt/libc.so.6'));
      await rewriteManifest((artifact) => ({
        ...artifact,
        runtime: {
          ...artifact.runtime,
          files: artifact.runtime.files.map((file) =>
            file.path.endsWith('/libc.so.6') ? { ...file, path: 'opt/libc.so.6' } : file,
          ),
        },
      }));
    },
    code: 'MISSING_LIBRARY',
    says: 'needs libc.so.6, which was not found',
  },
  {
    name: 'a needed library that differs from the manifest',
    spoil: () =>
      rewriteManifest((artifact) => ({ ...artifact, elf: { ...artifact.elf, needed: ['libm.so.6'] } })),
    code: 'OTHER_THAN_MANIFEST',
    says: 'needed libraries: expected libm.so.6, found libc.so.6',
  },
  {
    name: 'invalid checksums',
    spoil: () => writeFile(join(bin, 'checksums.txt'), 'fine\n'),
    code: 'INVALID_CHECKSUMS',
    says: 'checksums.txt:1',
  },
  {
    name: 'checksums that are a link to an endless file',
    spoil: async () => {
      await rm(join(bin, 'checksums.txt'));
      await symlink('/dev/zero', join(bin, 'checksums.txt'));
    },
    code: 'INVALID_CHECKSUMS',
    says: 'checksums.txt: expected a regular file, found a link',
  },
  {
    name: 'checksums that are a FIFO without a writer',
    spoil: async () => {
      await rm(join(bin, 'checksums.txt'));
      execFileSync('mkfifo', [join(bin, 'checksums.txt')]);
    },
    code: 'INVALID_CHECKSUMS',
    says: 'checksums.txt: expected a regular file, found something else',
  },
  {
    name: 'no checksums',
    spoil: () => rm(join(bin, 'checksums.txt')),
    code: 'UNREADABLE',
    says: 'checksums.txt: ENOENT',
  },
  {
    name: 'a checksum of a file that is not in the manifest',
    spoil: () => appendFile(join(bin, 'checksums.txt'), `${'0'.repeat(64)}  zzz-linux-arm64\n`),
    code: 'WRONG_CHECKSUM',
    says: 'zzz-linux-arm64 is not in the manifest',
  },
  {
    name: 'a missing runtime folder',
    spoil: () => rm(join(bin, RUNTIME), { recursive: true }),
    code: 'MISSING_FILE',
    says: `${RUNTIME}: expected a folder`,
  },
  {
    name: 'checksums for different content',
    spoil: () => writeFile(join(bin, 'checksums.txt'), `${'0'.repeat(64)}  ${EXECUTABLE}\n`),
    code: 'WRONG_CHECKSUM',
    says: 'found 0000',
  },
  {
    name: 'a manifest for another version',
    spoil: () => describeBuild((manifest) => ({ ...manifest, version: '9.9.9' })),
    code: 'WRONG_VERSION',
    says: 'expected it to print 9.9.9',
  },
  {
    name: 'an interpreter in an executable that the manifest calls static',
    spoil: () =>
      describeBuild((manifest) => ({
        ...manifest,
        platforms: manifest.platforms.map((each) => ({
          ...each,
          elf: { ...each.elf, interpreter: null, needed: [] },
        })),
      })),
    code: 'UNEXPECTED_INTERPRETER',
    says: 'expected a static executable',
  },
];

function programHeaders(bytes: Buffer): readonly number[] {
  const start = Number(bytes.readBigUInt64LE(32));
  return Array.from({ length: bytes.readUInt16LE(56) }, (_, index) => start + index * 56);
}

function makeStackExecutable(bytes: Buffer): void {
  const header = programHeaders(bytes).find((at) => bytes.readUInt32LE(at) === 0x6474e551);
  if (header === undefined) throw new Error('no PT_GNU_STACK to change');
  bytes.writeUInt32LE(7, header + 4);
}

function turnDebugIntoRunpath(bytes: Buffer): void {
  const header = programHeaders(bytes).find((at) => bytes.readUInt32LE(at) === 2);
  if (header === undefined) throw new Error('no PT_DYNAMIC to change');
  let at = Number(bytes.readBigUInt64LE(header + 8));
  while (bytes.readBigUInt64LE(at) !== 21n) at += 16;
  bytes.writeBigUInt64LE(29n, at);
  bytes.writeBigUInt64LE(1n, at + 8);
}

describe('a failed verification', () => {
  it.each(REFUSALS)('a failed verification names $name', async ({ spoil, code, says }) => {
    await spoil();
    const report = await verifyBuild();
    expect(report.result).toBe('failed');
    expect(report.findings).toContainEqual<Finding>({
      severity: 'error',
      code,
      message: expect.stringContaining(says) as unknown as string,
    });
  });

  it('a failed verification reports everything that is wrong at once, and runs nothing', async () => {
    await chmod(join(bin, EXECUTABLE), 0o700);
    await rm(library('libc.so.6'));
    await writeFile(join(bin, 'checksums.txt'), '');
    const report = await verifyBuild();
    expect(new Set(report.findings.map(({ code }) => code))).toEqual(
      new Set(['WRONG_MODE', 'MISSING_FILE', 'UNREADABLE', 'MISSING_LIBRARY', 'WRONG_CHECKSUM']),
    );
    expect(report.execution).toEqual({ how: 'none', reason: 'it failed an earlier check' });
  });
});

describe('an interrupted verification', () => {
  it('an interrupted verification returns no report', async () => {
    const plan = planVerify(OPTIONS, root, await readManifest(bin), NATIVE);
    await expect(runVerify(plan, AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
  });
});

describe('an executable that matches the manifest', () => {
  it.each<[string, Parameters<typeof buildElf>[0], string, string]>([
    ['an RPATH', { ...DYNAMIC, rpath: '/opt/lib' }, 'RPATH', 'found "/opt/lib"'],
    ['a RUNPATH', { ...DYNAMIC, runpath: '$ORIGIN' }, 'RUNPATH', 'found "$ORIGIN"'],
    ['an executable stack', { ...DYNAMIC, executableStack: true }, 'EXECUTABLE_STACK', 'an executable stack'],
    ['no stack header', { ...DYNAMIC, executableStack: null }, 'EXECUTABLE_STACK', 'no PT_GNU_STACK'],
  ])('an executable that matches the manifest is still refused with %s', async (_, wanted, code, says) => {
    await writeFile(join(bin, EXECUTABLE), buildElf(wanted));
    await describeBuild();
    const report = await verifyBuild(NOWHERE);
    expect(report.result).toBe('failed');
    expect(report.findings).toEqual([
      { severity: 'error', code, message: expect.stringContaining(says) },
      expect.objectContaining({ severity: 'warning', code: 'NOT_EXECUTED' }),
    ]);
  });

  it.each([
    ['dynamic', DYNAMIC],
    ['static, with an empty runtime folder', { machine: DYNAMIC.machine, executableStack: false }],
  ])('an executable passes if it is %s', async (_, wanted) => {
    await rm(join(bin, RUNTIME), { recursive: true });
    await writeFile(join(bin, EXECUTABLE), buildElf(wanted));
    await describeBuild();
    expect(await verifyBuild(NOWHERE)).toMatchObject({
      result: 'passed',
      findings: [{ code: 'NOT_EXECUTED' }],
    });
  });
});

it('an altered executable is not run', async () => {
  await patch(join(bin, EXECUTABLE), (bytes) => bytes.writeUInt8(1, bytes.length - 1));
  expect(await verifyBuild()).toMatchObject({
    result: 'failed',
    findings: [{ code: 'WRONG_HASH' }],
    execution: { how: 'none', reason: 'it failed an earlier check' },
  });
});

describe('a program with several executables', () => {
  it('a program with several executables passes if all of them match the manifest', async () => {
    await addOther();
    expect(await verifyBuild()).toMatchObject({ result: 'passed', findings: [] });
  });

  it.each<[string, (path: string) => Promise<unknown>, string]>([
    ['missing', (path) => rm(path), 'MISSING_FILE'],
    ['altered', (path) => patch(path, (bytes) => bytes.writeUInt8(1, bytes.length - 1)), 'WRONG_HASH'],
    ['not executable', (path) => chmod(path, 0o644), 'WRONG_MODE'],
  ])('a program with several executables fails if one of them is %s', async (_, spoil, code) => {
    await spoil(await addOther());
    const { result, findings } = await verifyBuild();
    expect(result).toBe('failed');
    expect(findings).toContainEqual(
      expect.objectContaining({ code, message: expect.stringContaining('worker-') }),
    );
  });

  it('a program with several executables fails if one of them can’t be run', async () => {
    const path = await addOther();
    await copyFile('/bin/false', path);
    const content = await readFile(path);
    const sha256 = createHash('sha256').update(content).digest('hex');
    await rewriteManifest((artifact) => ({
      ...artifact,
      others: (artifact.others ?? []).map((each) => ({ ...each, size: content.length, sha256 })),
    }));
    const { manifest } = await readManifest(bin);
    await writeFile(join(bin, 'checksums.txt'), formatChecksums(manifest));
    const { findings } = await verifyBuild();
    expect(findings.map(({ code }) => code)).toContain('EXECUTION_FAILED');
    expect(findings.every(({ message }) => message.startsWith('worker-'))).toBe(true);
  });
});

describe('on a Mac', () => {
  const MAC: ExecutionFacts = { ...NOWHERE, host: undefined };
  const WITH_ENGINE: ExecutionFacts = { ...MAC, engine: { version: '29.1.2' } };
  const path = process.env.PATH;
  afterEach(() => {
    process.env.PATH = path;
  });

  /** A docker client that logs its calls, unpacks what it imports, and runs the given script for `docker run`. */
  async function fakeDocker(run: string): Promise<{ calls(): Promise<string>; imported: string }> {
    const folder = join(root, 'docker-client');
    const [log, imported] = [join(folder, 'log'), join(folder, 'imported')];
    await mkdir(imported, { recursive: true });
    const script = `#!/bin/sh
echo "$*" >>${log}
case $1 in
  import) tar -xC ${imported} && echo sha256:${'a'.repeat(64)} ;;
  run) ${run} ;;
  ps) echo left-over ;;
esac
`;
    await writeFile(join(folder, 'docker'), script, { mode: 0o755 });
    process.env.PATH = `${folder}:${path}`;
    return { calls: () => readFile(log, 'utf8'), imported };
  }

  it('on a Mac, only the structure is verified if no engine answers, and the report says what to do', async () => {
    const report = await verifyBuild(MAC);
    expect(report).toMatchObject({ result: 'passed', execution: { how: 'none' } });
    expect(report.findings).toMatchObject([
      { severity: 'warning', message: expect.stringContaining('no container engine answers: start Docker') },
    ]);
  });

  it('only a Mac looks for an engine', async () => {
    const places = await emulatorPlaces(root, undefined, {});
    const ask = async () => ({ version: '29.1.2' });
    const mac = { os: 'darwin', arch: 'arm64' };
    expect((await readExecutionFacts([other], places, mac, ask)).engine).toEqual({ version: '29.1.2' });
    const linux = { os: process.platform, arch: process.arch };
    expect((await readExecutionFacts([other], places, linux, ask)).engine).toBeUndefined();
  });

  it('on a Mac, a program runs in containers with exactly its runtime files, and nothing of them is left', async () => {
    const { manifest } = await readManifest(bin);
    const { calls, imported } = await fakeDocker(`echo true ${manifest.version}`);
    expect(await verifyBuild(WITH_ENGINE, { requireExecution: true })).toMatchObject({
      result: 'passed',
      execution: { how: 'container', engine: 'docker 29.1.2' },
      findings: [],
    });
    const lines = (await calls()).trim().split('\n');
    expect(lines.filter((line) => line.startsWith('run ')).toSorted()).toEqual(
      ['--help', '--version'].map((argument) =>
        expect.stringMatching(
          new RegExp(
            `^run --rm --platform=${host} .*--network=none --read-only .*--user=65532 sha256:a{64} /\\.verify/${EXECUTABLE} ${argument}$`,
          ),
        ),
      ),
    );
    expect(lines.at(-2)).toBe('rm --force left-over');
    expect(lines.at(-1)).toBe(`image rm --force sha256:${'a'.repeat(64)}`);
    const found = execFileSync('find', ['.', '-type', 'f'], { cwd: imported, encoding: 'utf8' });
    const files = manifest.platforms[0]?.runtime.files.map((file) => `./${file.path}`) ?? [];
    expect(found.trim().split('\n').toSorted()).toEqual([...files, `./.verify/${EXECUTABLE}`].toSorted());
  });

  it('on a Mac, a failing container is a failure, and an engine that can’t run the platform is reported', async () => {
    await fakeDocker('echo "no libfoo" >&2; exit 127');
    expect(await verifyBuild(WITH_ENGINE)).toMatchObject({
      result: 'failed',
      findings: [{ code: 'EXECUTION_FAILED' }, { code: 'EXECUTION_FAILED' }],
    });
    await fakeDocker('echo "exec /.verify/true: exec format error" >&2; exit 255');
    expect(await verifyBuild(WITH_ENGINE)).toMatchObject({
      result: 'passed',
      execution: { how: 'none', reason: `the container engine has no emulator for ${host}` },
      findings: [{ severity: 'warning', code: 'NOT_EXECUTED' }],
    });
  });

  it('on a Mac, it is an error if the engine can’t create the image', async () => {
    await fakeDocker('true');
    await writeFile(
      join(root, 'docker-client/docker'),
      '#!/bin/sh\ncat >/dev/null; echo "no space" >&2; exit 1\n',
    );
    await expect(verifyBuild(WITH_ENGINE)).rejects.toMatchObject({
      code: 'ENGINE',
      message: `docker import --platform=${host}: no space`,
    });
  });
});

describe('a program without smoke arguments', () => {
  it('only the structure of a program without smoke arguments is verified, and the report says so', async () => {
    const { result, execution, findings } = await verifyBuild(NATIVE, { smoke: [] });
    expect(result).toBe('passed');
    expect(execution).toEqual({ how: 'none', reason: expect.stringContaining('only its structure') });
    expect(findings).toMatchObject([{ severity: 'warning', code: 'NOT_EXECUTED' }]);
  });

  it('a program without smoke arguments fails if execution is required', async () => {
    const { result } = await verifyBuild(NATIVE, { smoke: [], requireExecution: true });
    expect(result).toBe('failed');
  });
});

describe('the verify executor', () => {
  const context = (): Parameters<typeof verify>[1] => ({ root, cwd: root, isVerbose: false }) as never;

  it('verify leaves a passing report, and deletes it when a later verification fails', async () => {
    expect(await verify(OPTIONS, context())).toEqual({ success: true });
    expect(await readReport(join(root, 'dist/verify'), parsePlatform(host as string))).toMatchObject({
      result: 'passed',
    });
    await truncate(join(bin, EXECUTABLE), 5000);
    expect(await verify(OPTIONS, context())).toEqual({ success: false });
    expect(await readReport(join(root, 'dist/verify'), parsePlatform(host as string))).toMatchObject({
      result: 'failed',
    });
  });

  it('verify leaves no report if the manifest is gone', async () => {
    await verify(OPTIONS, context());
    await rm(join(bin, 'manifest.json'));
    expect(await verify(OPTIONS, context())).toMatchObject({
      success: false,
      failure: { code: 'MANIFEST_MISSING' },
    });
    expect(await readdir(join(root, 'dist/verify'))).toEqual([]);
  });

  it('verify keeps only those reports of other machines that are for the same manifest', async () => {
    const reports = join(root, 'dist/verify');
    await verify(OPTIONS, context());
    const own = await readReport(reports, parsePlatform(host as string));
    await writeFile(
      join(reports, `${other.replace('/', '-')}.json`),
      JSON.stringify({ ...own, platform: other }),
    );
    await writeFile(
      join(reports, 'linux-s390x.json'),
      JSON.stringify({ ...own, platform: 'linux/s390x', manifestSha256: 'f'.repeat(64) }),
    );
    expect(await verify({ ...OPTIONS, platforms: [host as string] }, context())).toEqual({ success: true });
    expect((await readdir(reports)).sort()).toEqual(['linux-amd64.json', 'linux-arm64.json']);
  });

  it('verify leaves no report for its platforms if the manifest is gone, and keeps the others', async () => {
    const reports = join(root, 'dist/verify');
    await verify(OPTIONS, context());
    const own = await readReport(reports, parsePlatform(host as string));
    const kept = `${other.replace('/', '-')}.json`;
    await writeFile(join(reports, kept), JSON.stringify({ ...own, platform: other }));
    await rm(join(bin, 'manifest.json'));
    expect(await verify({ ...OPTIONS, platforms: [host as string] }, context())).toMatchObject({
      success: false,
      failure: { code: 'MANIFEST_MISSING' },
    });
    expect(await readdir(reports)).toEqual([kept]);
  });

  it('verify deletes only reports, whatever else is in the folder', async () => {
    await writeFile(join(root, 'package.json'), '{}');
    await writeFile(join(root, 'dist/linux-arm64.json'), 'no report');
    expect(await verify({ ...OPTIONS, outputPath: 'dist' }, context())).toEqual({ success: true });
    expect((await readdir(join(root, 'dist'))).sort()).toEqual([
      'bin',
      `${(host as string).replace('/', '-')}.json`,
    ]);
  });

  it('verify writes no reports outside the workspace', async () => {
    expect(await verify({ ...OPTIONS, outputPath: '..' }, context())).toMatchObject({
      success: false,
      failure: { code: 'INVALID_OPTIONS' },
    });
  });

  it('verify refuses a platform that the manifest does not list', async () => {
    expect(await verify({ ...OPTIONS, platforms: ['linux/s390x'] }, context())).toMatchObject({
      success: false,
      failure: { code: 'INVALID_OPTIONS' },
    });
  });
});

describe('a related platform', () => {
  it('executables for a related platform are run by the kernel, without an emulator', async () => {
    const facts = { ...NOWHERE, related: new Set([parsePlatform(host as string)]) };
    expect(await verifyBuild(facts)).toMatchObject({ result: 'passed', execution: { how: 'native' } });
  });

  // A kernel may be built, booted or virtualized so that it runs none. A small assembled program finds out.
  it.runIf(host === 'linux/amd64')(
    'linux/386 is a related platform if the kernel runs its executables',
    async ({ skip }) => {
      const [source, object, program] = ['exit.s', 'exit.o', 'exit'].map((name) => join(root, name)) as [
        string,
        string,
        string,
      ];
      await writeFile(source, '.globl _start\n_start: mov $1, %eax\n xor %ebx, %ebx\n int $0x80\n');
      const assembled = await execa('as', ['--32', '-o', object, source], { reject: false });
      if (assembled.code === 'ENOENT') skipOutsideCi('as is not installed (Debian: binutils)', skip);
      await execa('ld', ['-m', 'elf_i386', '-o', program, object]);
      const { exitCode } = await execa(program, { reject: false });
      expect([...(await relatedPlatforms(parsePlatform('linux/amd64')))]).toEqual(
        exitCode === 0 ? ['linux/386'] : [],
      );
    },
  );

  it('a machine that is not amd64 has no related platforms', async () => {
    expect((await relatedPlatforms(parsePlatform('linux/arm64'))).size).toBe(0);
    expect((await relatedPlatforms(undefined)).size).toBe(0);
  });
});

describe('an emulator', () => {
  const NO_LOCK = { lock: { lockVersion: 1 }, cacheFolder: '/nowhere' } as const;
  const executable = async (path: string, content = 'emulator'): Promise<string> => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content, { mode: 0o755 });
    return path;
  };

  it('an emulator is searched in QEMU_DIR, the given folder, the lock, then PATH', async () => {
    expect(await emulatorPlaces(root, 'given', { QEMU_DIR: '/qemu', PATH: '/bin::/usr/bin' })).toEqual({
      given: ['/qemu', join(root, 'given')],
      locked: { lock: { lockVersion: 1 }, cacheFolder: join(root, '.cache/prebuilt') },
      path: ['/bin', '/usr/bin'],
    });
    expect(await emulatorPlaces(root, undefined, {})).toMatchObject({ given: [], path: [] });
  });

  it('an emulator is found by either name if it is executable', async () => {
    const folder = join(root, 'emulators');
    await executable(join(folder, 'qemu-riscv64'));
    await executable(join(folder, 'qemu-s390x-static'));
    await writeFile(join(folder, 'qemu-ppc64le'), '', { mode: 0o644 });
    const platforms = ['linux/riscv64', 'linux/s390x', 'linux/ppc64le'].map(parsePlatform);
    const { emulators } = await readExecutionFacts(platforms, { given: [folder], locked: NO_LOCK, path: [] });
    expect([...emulators]).toEqual([
      ['linux/riscv64', join(folder, 'qemu-riscv64')],
      ['linux/s390x', join(folder, 'qemu-s390x-static')],
    ]);
  });

  const pin = {
    package: 'qemu-user-static',
    version: '1:7.2',
    architecture: 'amd64',
    path: 'pool/qemu.deb',
    sha256: 'a'.repeat(64),
    executable: {
      path: 'usr/bin/qemu',
      sha256: createHash('sha256').update('emulator').digest('hex'),
    },
  };
  const lockedPlaces = () => ({
    given: [],
    locked: {
      lock: { lockVersion: 1, emulators: { [host as string]: { [other]: pin } } } as const,
      cacheFolder: root,
    },
    path: [],
  });

  it('the lock’s emulator is used if it was fetched', async () => {
    const path = await executable(emulatorPath(root, pin));
    expect([...(await readExecutionFacts([other], lockedPlaces())).emulators]).toEqual([[other, path]]);
  });

  it('if the lock’s emulator was not fetched, the report names the command that fetches it', async () => {
    const facts = await readExecutionFacts([other], lockedPlaces());
    expect([...facts.unfetched]).toEqual([other]);
    const elsewhere = { ...NOWHERE, unfetched: new Set([parsePlatform(host as string)]) };
    const plan = planVerify(OPTIONS, root, await readManifest(bin), elsewhere);
    expect(plan.platforms[0]?.execution).toMatchObject({
      how: 'none',
      reason: expect.stringContaining('npx nx g @prebuilt/nx:lock --fetch'),
    });
  });

  it('if the lock has no emulator for the platform, the report names the command that adds one', async () => {
    const plan = planVerify(OPTIONS, root, await readManifest(bin), NOWHERE);
    expect(plan.platforms[0]?.execution).toMatchObject({
      how: 'none',
      reason: expect.stringMatching(/; add one to prebuilt\.lock\.json: npx nx g @prebuilt\/nx:lock$/),
    });
  });

  it('an altered emulator from the lock is refused before it is run', async () => {
    await executable(emulatorPath(root, pin), '#!/bin/sh\ntouch /tmp/ran');
    await expect(readExecutionFacts([other], lockedPlaces())).rejects.toMatchObject({
      code: 'SYSROOT_INTEGRITY',
      message: expect.stringContaining(emulatorPath(root, pin)),
    });
  });
});
