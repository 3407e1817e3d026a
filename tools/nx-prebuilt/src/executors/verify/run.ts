import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ArtifactsError,
  CHECKSUMS_FILE,
  type Finding,
  formatReport,
  type PlatformArtifact,
  parseChecksums,
  parseReport,
  reportFileName,
  type VerifyReport,
} from '@prebuilt/artifacts';
import { executeSmoke } from './execute.ts';
import { failure, inspectElf, inspectExecutable, inspectRuntimeFolder } from './inspect.ts';
import type { PlatformVerification, VerifyPlan } from './plan.ts';

/** Verifies every platform of the plan side by side and gives all that was found. Writes nothing. */
export async function runVerify(plan: VerifyPlan, signal: AbortSignal): Promise<readonly VerifyReport[]> {
  const cwd = await mkdtemp(join(tmpdir(), 'verify-'));
  try {
    return await Promise.all(
      plan.platforms.map(async (verification): Promise<VerifyReport> => {
        const findings = await verifyPlatform(plan, verification, cwd, signal);
        return {
          schemaVersion: 1,
          platform: verification.artifact.platform,
          version: plan.version,
          manifestSha256: plan.manifestSha256,
          executableSha256: verification.artifact.sha256,
          result: findings.some(({ severity }) => severity === 'error') ? 'failed' : 'passed',
          execution: verification.execution.report,
          findings: [...findings],
        };
      }),
    );
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}

async function verifyPlatform(
  plan: VerifyPlan,
  verification: PlatformVerification,
  cwd: string,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { artifact, executable, runtimeFolder, execution } = verification;
  // A file that is not even of this machine is not run; the slow hashing goes on meanwhile.
  const linked = inspectElf(artifact, executable, runtimeFolder);
  const executed = linked.then(async (findings) =>
    findings.length > 0
      ? []
      : executeSmoke(verification, { version: plan.version, timeoutMs: plan.timeoutMs, cwd, signal }),
  );
  const findings = await Promise.all([
    inspectExecutable(artifact, executable),
    inspectRuntimeFolder(artifact, runtimeFolder),
    inspectChecksums(artifact, plan.inputPath),
    linked,
    executed,
  ]);
  signal.throwIfAborted();
  if (execution.report.how !== 'none') return findings.flat();
  const severity = plan.requireExecution ? 'error' : 'warning';
  const message = `${artifact.path}: was not run: ${execution.report.reason}`;
  return [...findings.flat(), { severity, code: 'NOT_EXECUTED', message }];
}

async function inspectChecksums(artifact: PlatformArtifact, inputPath: string): Promise<readonly Finding[]> {
  try {
    const checksums = parseChecksums(await readFile(join(inputPath, CHECKSUMS_FILE), 'utf8'), CHECKSUMS_FILE);
    const listed = checksums.find(({ path }) => path === artifact.path)?.sha256 ?? 'nothing';
    if (listed === artifact.sha256) return [];
    return [
      failure(
        'WRONG_CHECKSUM',
        `${CHECKSUMS_FILE}: expected ${artifact.sha256} for ${artifact.path}, found ${listed}`,
      ),
    ];
  } catch (error) {
    if (error instanceof ArtifactsError) return [failure(error.code, error.message)];
    if (error instanceof Error && 'code' in error)
      return [failure('UNREADABLE', `${CHECKSUMS_FILE}: ${error.message}`)];
    throw error;
  }
}

/**
 * Takes away the reports that the verification is about to replace, so that one that fails or is interrupted
 * leaves none that says "passed". Reports of other platforms stay where they speak of the same manifest.
 */
export async function clearReports(
  outputPath: string,
  replaced: readonly string[],
  manifestSha256: string | undefined,
): Promise<void> {
  await mkdir(outputPath, { recursive: true });
  for (const name of await readdir(outputPath)) {
    const path = join(outputPath, name);
    const kept = !replaced.includes(name) && (await speaksOf(path, manifestSha256));
    if (!kept) await rm(path, { recursive: true });
  }
}

async function speaksOf(path: string, manifestSha256: string | undefined): Promise<boolean> {
  try {
    return parseReport(await readFile(path, 'utf8'), path).manifestSha256 === manifestSha256;
  } catch {
    return false;
  }
}

/** Writes each report beside its place and renames it. */
export async function writeReports(outputPath: string, reports: readonly VerifyReport[]): Promise<void> {
  for (const report of reports) {
    const path = join(outputPath, reportFileName(report.platform));
    await writeFile(`${path}.tmp`, formatReport(report));
    await rename(`${path}.tmp`, path);
  }
}
