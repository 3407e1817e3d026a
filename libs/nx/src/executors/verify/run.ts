import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PLATFORMS, type Platform } from '../../artifacts/platform.ts';
import {
  type Finding,
  formatReport,
  readReport,
  reportFileName,
  type VerifyReport,
} from '../../artifacts/verify-report.ts';
import { removeFile, removeTemporary, replaceFile } from '../../files/replace-file.ts';
import { settleAll } from '../../process/settle-all.ts';
import { executeContained } from './container.ts';
import { executeSmoke } from './execute.ts';
import { inspectComponents } from './inspect-components.ts';
import { inspectElf } from './inspect-elf.ts';
import { inspectChecksums, inspectExecutable, inspectListed, inspectRuntimeFolder } from './inspect-files.ts';
import type { PlatformVerification, VerifyPlan } from './plan.ts';

/** Verifies all platforms of the plan in parallel and returns everything found. Writes nothing. */
export async function runVerify(plan: VerifyPlan, signal: AbortSignal): Promise<readonly VerifyReport[]> {
  const cwd = await mkdtemp(join(tmpdir(), 'verify-'));
  try {
    return await settleAll(
      plan.platforms.map(async (verification): Promise<VerifyReport> => {
        const { findings, execution } = await verifyPlatform(plan, verification, cwd, signal);
        return {
          schemaVersion: 1,
          platform: verification.artifact.platform,
          version: plan.version,
          manifestSha256: plan.manifestSha256,
          executableSha256: verification.artifact.sha256,
          result: findings.some(({ severity }) => severity === 'error') ? 'failed' : 'passed',
          execution,
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
): Promise<Pick<VerifyReport, 'execution'> & { readonly findings: readonly Finding[] }> {
  const { artifact, runtimeFolder, execution } = verification;
  const inspected = await Promise.all(
    verification.executables.map(async (each) => {
      const shape = await inspectExecutable(each.artifact, each.executable);
      // Check everything before running anything, so that an altered executable is never started.
      const [content, elf] = await Promise.all([
        shape.content(),
        shape.regular ? inspectElf(each.artifact, each.executable, runtimeFolder) : [],
      ]);
      return { ...each, findings: [...shape.findings, ...content, ...elf] };
    }),
  );
  const before = [
    ...inspected.flatMap(({ findings }) => findings),
    ...(await inspectRuntimeFolder(artifact, runtimeFolder)),
    ...(await inspectListed(plan.files, plan.inputPath)),
  ];
  const [executed, ...others] = await Promise.all([
    before.length > 0 ? [] : execute(plan, verification, cwd, signal),
    before.length > 0 ? [] : inspectComponents(plan, verification),
    ...inspected.map((each) => inspectChecksums(each.artifact, plan.inputPath, plan.executables)),
  ]);
  signal.throwIfAborted();
  const isForeign = verification.contained && executed.length > 0 && executed.every(isOfOtherProcessor);
  const findings = unique([...before, ...others.flat(), ...(isForeign ? [] : executed)]);
  const done: VerifyReport['execution'] = isForeign
    ? { how: 'none', reason: `the container engine has no emulator for ${artifact.platform}` }
    : execution;
  if (done.how === 'none') {
    const severity = plan.requireExecution ? 'error' : 'warning';
    const message = `${artifact.path}: was not run: ${done.reason}`;
    return { findings: [...findings, { severity, code: 'NOT_EXECUTED', message }], execution: done };
  }
  const skipped = { how: 'none', reason: 'it failed an earlier check' } as const;
  return { findings, execution: before.length > 0 ? skipped : execution };
}

async function execute(
  plan: VerifyPlan,
  verification: PlatformVerification,
  cwd: string,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (verification.contained) return executeContained(plan, verification, cwd, signal);
  const found = verification.executables.map((each) => executeSmoke(plan, each, cwd, signal));
  return (await Promise.all(found)).flat();
}

// The kernel's error for a file for another processor: https://man7.org/linux/man-pages/man3/errno.3.html, ENOEXEC
function isOfOtherProcessor({ message }: Finding): boolean {
  return /exec format error/i.test(message);
}

// A problem with a file that several executables share is found once per executable.
function unique(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((each) => [each.message, each])).values()];
}

/**
 * Deletes the reports of the given platforms, or all reports if none are given, so that a failed or interrupted
 * verification leaves no report that says "passed". Touches only reports.
 */
export async function clearReports(
  outputPath: string,
  platforms: readonly Platform[] | undefined,
): Promise<void> {
  await removeReports(
    outputPath,
    async (platform) => platforms === undefined || platforms.includes(platform),
  );
}

/** Deletes the reports for other manifests. */
export async function clearStaleReports(outputPath: string, manifestSha256: string): Promise<void> {
  await removeReports(outputPath, async (platform) => {
    const report = await readReport(outputPath, platform).catch(() => undefined);
    return report?.platform !== platform || report.manifestSha256 !== manifestSha256;
  });
}

async function removeReports(
  outputPath: string,
  chosen: (platform: Platform) => Promise<boolean>,
): Promise<void> {
  const present = await readdir(outputPath).catch((error: NodeJS.ErrnoException): readonly string[] => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (present.length === 0) return;
  for (const platform of PLATFORMS) {
    const name = reportFileName(platform);
    removeTemporary(join(outputPath, name));
    if (present.includes(name) && (await chosen(platform))) removeFile(join(outputPath, name));
  }
}

/** Writes each report to a temporary file and renames it into place. */
export function writeReports(outputPath: string, reports: readonly VerifyReport[]): void {
  for (const report of reports)
    replaceFile(join(outputPath, reportFileName(report.platform)), formatReport(report));
}
