import { basename, join } from 'node:path';
import { ElfError, type ElfFacts, openElf, resolveLinkage } from '@prebuilt/elf';
import { elfMismatch } from '../../artifacts/elf-platform.ts';
import type { PlatformArtifact } from '../../artifacts/manifest.ts';
import type { Finding } from '../../artifacts/verify-report.ts';
import { failure } from './inspect-files.ts';
import { isLibrary } from './plan.ts';

/** Checks the ELF file's own data against the platform and the runtime folder. */
export async function inspectElf(
  artifact: PlatformArtifact,
  executable: string,
  runtimeFolder: string,
): Promise<readonly Finding[]> {
  const label = artifact.path;
  const facts = await readFacts(executable, label);
  if ('severity' in facts) return [facts];
  const findings: Finding[] = [];
  const mismatch = elfMismatch(artifact.platform, facts);
  if (mismatch !== undefined) {
    const { expected, found } = mismatch;
    return [failure('WRONG_MACHINE', `${label}: expected ${expected}, found ${found}`)];
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
  const { interpreter, needed } = artifact.elf;
  if (interpreter === null && facts.interpreter !== null) {
    return [
      failure(
        'UNEXPECTED_INTERPRETER',
        `${artifact.path}: expected a static executable, found the interpreter ${facts.interpreter}`,
      ),
    ];
  }
  const findings: Finding[] = [];
  for (const [what, expected, found] of [
    ['interpreter', interpreter ?? 'none', facts.interpreter ?? 'none'],
    ['needed libraries', needed.join(', ') || 'none', facts.needed.join(', ') || 'none'],
  ] as const) {
    if (expected === found) continue;
    findings.push(
      failure('OTHER_THAN_MANIFEST', `${artifact.path}: ${what}: expected ${expected}, found ${found}`),
    );
  }
  const libraries = new Map<string, ElfFacts>();
  for (const { path } of artifact.runtime.files) {
    const isInterpreter = path === facts.interpreter?.slice(1);
    if (!isInterpreter && !(isLibrary(path) && basename(path) !== basename(facts.interpreter ?? '')))
      continue;
    const found = await readFacts(join(runtimeFolder, path), `${artifact.runtime.path}/${path}`);
    if ('severity' in found) findings.push(found);
    else libraries.set(basename(path), found);
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
