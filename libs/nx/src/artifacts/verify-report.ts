import { createHash } from 'node:crypto';
import { join } from 'node:path';
import * as v from 'valibot';
import { PrebuiltError } from '../errors.ts';
import { readBoundedFile } from '../files/bounded-file.ts';
import { type Platform, parsePlatform, platformSuffix } from './platform.ts';

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

/** The maximum size of a report. */
const MAX_REPORT_BYTES = 1024 * 1024;

const line = v.pipe(v.string(), v.regex(/^\P{Cc}*$/u, 'expected no control characters'));

const finding = v.strictObject({
  severity: v.picklist(['error', 'warning']),
  code: v.string(),
  message: v.string(),
});

const report = v.strictObject({
  schemaVersion: v.literal(1),
  platform: line,
  version: line,
  manifestSha256: sha256,
  executableSha256: sha256,
  result: v.picklist(['passed', 'failed']),
  execution: v.variant('how', [
    v.strictObject({ how: v.literal('native') }),
    v.strictObject({ how: v.literal('emulated'), emulator: v.string() }),
    v.strictObject({ how: v.literal('container'), engine: v.string() }),
    v.strictObject({ how: v.literal('none'), reason: v.string() }),
  ]),
  findings: v.array(finding),
});

/** A finding of the verification. An error fails the platform; a warning doesn't. */
export type Finding = Readonly<v.InferOutput<typeof finding>>;

/**
 * The verification result for one platform (`dist/verify/<os>-<arch>.json`): the SHA-256 of the manifest, the
 * executable's SHA-256 according to the manifest, and how the executable was run, if at all: natively, by an emulator,
 * or in an engine's container.
 */
export type VerifyReport = Readonly<Omit<v.InferOutput<typeof report>, 'platform'>> & {
  readonly platform: Platform;
};

/** The file name of a platform's report. */
export function reportFileName(platform: Platform): string {
  return `${platformSuffix(platform)}.json`;
}

/** The text of a report: two-space JSON with a final line feed. */
export function formatReport(content: VerifyReport): string {
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** Parses a report. Throws `INVALID_REPORT` with the source and every problem. */
export function parseReport(json: string, source: string): VerifyReport {
  try {
    const parsed = v.safeParse(report, JSON.parse(json));
    if (parsed.success) return { ...parsed.output, platform: parsePlatform(parsed.output.platform) };
    const problems = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? '(root)'}: ${issue.message}`);
    throw new PrebuiltError('INVALID_REPORT', `${source}: ${problems.slice(0, 20).join('; ')}`);
  } catch (cause) {
    if (cause instanceof PrebuiltError && cause.code === 'INVALID_REPORT') throw cause;
    throw new PrebuiltError('INVALID_REPORT', `${source}: ${(cause as Error).message}`, { cause });
  }
}

/** A report and the SHA-256 of its bytes. */
export interface VerifyReportFile {
  readonly report: VerifyReport;
  readonly sha256: string;
}

/** A platform's report from a folder, with its hash; undefined if there is none. Throws `INVALID_REPORT`. */
export async function readReportFile(
  folder: string,
  platform: Platform,
): Promise<VerifyReportFile | undefined> {
  const path = join(folder, reportFileName(platform));
  const bytes = await readBoundedFile(path, { maxBytes: MAX_REPORT_BYTES, code: 'INVALID_REPORT' });
  if (bytes === undefined) return undefined;
  return {
    report: parseReport(bytes.toString('utf8'), path),
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}

/** A platform's report from a folder; undefined if there is none. Throws `INVALID_REPORT`. */
export async function readReport(folder: string, platform: Platform): Promise<VerifyReport | undefined> {
  return (await readReportFile(folder, platform))?.report;
}

/**
 * The one rule for "this executable is verified": its platform's report passed and is for exactly this manifest and
 * this executable. Throws `VERIFY_REPORT` otherwise; `folder`, where the report should be, is for the message.
 */
export function requirePassingReport(
  report: VerifyReport | undefined,
  { platform, sha256 }: { readonly platform: Platform; readonly sha256: string },
  manifestSha256: string,
  folder: string,
): void {
  const problem = report === undefined ? 'found none' : problemOf(report, platform, sha256, manifestSha256);
  if (problem === undefined) return;
  throw new PrebuiltError(
    'VERIFY_REPORT',
    `${platform}: expected a passing report in ${folder}, ${problem}`,
    { hint: 'Verify the executables first: {run verify}' },
  );
}

function problemOf(
  report: VerifyReport,
  platform: Platform,
  sha256: string,
  manifestSha256: string,
): string | undefined {
  if (report.platform !== platform) return `found one for ${report.platform}`;
  if (report.manifestSha256 !== manifestSha256) {
    const which = `${report.manifestSha256.slice(0, 12)}…, version ${report.version}`;
    return `found one for another manifest (${which})`;
  }
  if (report.executableSha256 !== sha256) return 'found one for another executable';
  if (report.result === 'passed') return undefined;
  const errors = report.findings.filter(({ severity }) => severity === 'error');
  return `found one that failed: ${errors.map(({ message }) => message).join('; ')}`;
}
