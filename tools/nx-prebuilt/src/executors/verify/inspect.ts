import { lstat, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { elfMachineOf, type Finding, type PlatformArtifact, type RuntimeFile } from '@prebuilt/artifacts';
import { ElfError, type ElfFacts, openElf, resolveLinkage } from '@prebuilt/elf';
import { sha256OfFile } from '../../file-hash.ts';

/** An error finding. */
export function failure(code: string, message: string): Finding {
  return { severity: 'error', code, message };
}

interface ExpectedFile {
  readonly path: string;
  readonly label: string;
  readonly mode: number;
  readonly size: number;
  readonly sha256: string;
}

/** Checks an executable's file against the manifest: there, regular, mode, size, SHA-256. */
export function inspectExecutable(artifact: PlatformArtifact, path: string): Promise<readonly Finding[]> {
  return inspectFile({
    path,
    label: artifact.path,
    mode: 0o755,
    size: artifact.size,
    sha256: artifact.sha256,
  });
}

/** Checks that a runtime folder holds exactly the manifest's files, each as the manifest says. */
export async function inspectRuntimeFolder(
  artifact: PlatformArtifact,
  folder: string,
): Promise<readonly Finding[]> {
  const listed = new Map(artifact.runtime.files.map((file) => [file.path, file]));
  const [walked, ...files] = await Promise.all([
    walk(folder, artifact.runtime.path),
    ...artifact.runtime.files.map((file) => inspectFile(expectedRuntimeFile(artifact, folder, file))),
  ]);
  const extra = walked.files
    .filter((path) => !listed.has(path))
    .map((path) => failure('UNEXPECTED_FILE', `${artifact.runtime.path}/${path}: is not in the manifest`));
  return [...walked.findings, ...extra, ...files.flat()];
}

function expectedRuntimeFile(artifact: PlatformArtifact, folder: string, file: RuntimeFile): ExpectedFile {
  return {
    path: join(folder, file.path),
    label: `${artifact.runtime.path}/${file.path}`,
    mode: Number.parseInt(file.mode, 8),
    size: file.size,
    sha256: file.sha256,
  };
}

async function inspectFile(expected: ExpectedFile): Promise<readonly Finding[]> {
  const { label } = expected;
  const found = await lstat(expected.path).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) {
    return [
      found.code === 'ENOENT' || found.code === 'ENOTDIR'
        ? failure('MISSING_FILE', `${label}: expected a file, found none`)
        : failure('UNREADABLE', `${label}: ${found.message}`),
    ];
  }
  if (!found.isFile()) {
    const kind = found.isSymbolicLink()
      ? 'a symbolic link'
      : found.isDirectory()
        ? 'a folder'
        : 'a special file';
    return [failure('NOT_REGULAR', `${label}: expected a regular file, found ${kind}`)];
  }
  const findings: Finding[] = [];
  const mode = found.mode & 0o7777;
  if (mode !== expected.mode) {
    findings.push(
      failure('WRONG_MODE', `${label}: expected mode ${octal(expected.mode)}, found ${octal(mode)}`),
    );
  }
  if (found.size !== expected.size) {
    findings.push(failure('WRONG_SIZE', `${label}: expected ${expected.size} bytes, found ${found.size}`));
    return findings;
  }
  try {
    const sha256 = await sha256OfFile(expected.path);
    if (sha256 !== expected.sha256) {
      findings.push(failure('WRONG_HASH', `${label}: expected SHA-256 ${expected.sha256}, found ${sha256}`));
    }
  } catch (error) {
    findings.push(failure('UNREADABLE', `${label}: ${(error as Error).message}`));
  }
  return findings;
}

async function walk(
  folder: string,
  label: string,
): Promise<{ readonly files: readonly string[]; readonly findings: readonly Finding[] }> {
  const top = await lstat(folder).catch(() => undefined);
  if (top === undefined || !top.isDirectory()) {
    return {
      files: [],
      findings: [
        failure('MISSING_FILE', `${label}: expected a folder, found ${top ? 'something else' : 'none'}`),
      ],
    };
  }
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  return { files: files.sort(), findings: [] };
}

/** Checks what the ELF file says of itself against the platform and the runtime folder. */
export async function inspectElf(
  artifact: PlatformArtifact,
  executable: string,
  runtimeFolder: string,
): Promise<readonly Finding[]> {
  const label = artifact.path;
  const facts = await readFacts(executable, label);
  if ('severity' in facts) return [facts];
  const findings: Finding[] = [];
  const machine = elfMachineOf(artifact.platform);
  if (facts.machine !== machine || facts.byteOrder !== 'little' || facts.class !== 64) {
    return [
      failure(
        'WRONG_MACHINE',
        `${label}: expected a 64-bit little-endian ${machine} executable for ${artifact.platform}, found ${facts.class}-bit ${facts.byteOrder}-endian ${facts.machine}`,
      ),
    ];
  }
  if (facts.type !== 'exec' && facts.type !== 'dyn') {
    findings.push(
      failure('NOT_EXECUTABLE', `${label}: expected an ELF executable, found type ${facts.type}`),
    );
  }
  for (const [name, value] of [
    ['RPATH', facts.rpath],
    ['RUNPATH', facts.runpath],
  ] as const) {
    if (value !== null)
      findings.push(failure(name, `${label}: expected no ${name}, found ${JSON.stringify(value)}`));
  }
  if (facts.executableStack !== false) {
    const what = facts.executableStack === null ? 'no PT_GNU_STACK header' : 'an executable stack';
    findings.push(
      failure('EXECUTABLE_STACK', `${label}: expected a stack that is not executable, found ${what}`),
    );
  }
  return [...findings, ...(await inspectLinkage(artifact, facts, runtimeFolder))];
}

async function inspectLinkage(
  artifact: PlatformArtifact,
  facts: ElfFacts,
  runtimeFolder: string,
): Promise<readonly Finding[]> {
  if (artifact.elf.interpreter === null && facts.interpreter !== null) {
    return [
      failure(
        'UNEXPECTED_INTERPRETER',
        `${artifact.path}: expected a static executable, found the interpreter ${facts.interpreter}`,
      ),
    ];
  }
  const findings: Finding[] = [];
  const libraries = new Map<string, ElfFacts>();
  const interpreter = facts.interpreter?.slice(1);
  for (const { path } of artifact.runtime.files) {
    if (!/\.so(\.|$)/.test(path)) continue;
    const found = await readFacts(join(runtimeFolder, path), `${artifact.runtime.path}/${path}`);
    if ('severity' in found) findings.push(found);
    else if (path === interpreter || basename(path) !== basename(interpreter ?? '')) {
      libraries.set(basename(path), found);
    }
  }
  const { problems } = resolveLinkage(facts, (soname) => libraries.get(soname));
  return [...findings, ...problems.map(({ code, message }) => failure(code, `${artifact.path}: ${message}`))];
}

async function readFacts(path: string, label: string): Promise<ElfFacts | Finding> {
  try {
    return await openElf(path);
  } catch (error) {
    if (error instanceof ElfError) return failure(error.code, error.message);
    if (error instanceof Error && 'code' in error) return failure('UNREADABLE', `${label}: ${error.message}`);
    throw error;
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
