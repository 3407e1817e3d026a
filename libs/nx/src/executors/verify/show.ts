import type { VerifyReport } from '../../artifacts/verify-report.ts';
import { tableLines } from '../../github/table.ts';

/** The reports as a table of platforms, followed by all findings. */
export function formatReports(reports: readonly VerifyReport[]): string {
  const rows = reports.map((report) => [
    report.platform,
    report.result,
    executionOf(report),
    report.executableSha256,
  ]);
  const table = [['platform', 'result', 'executed', 'sha256'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  const findings = reports.flatMap(({ findings: found }) =>
    found.map(({ severity, code, message }) => `${severity} ${code}: ${message}`),
  );
  return [...lines, ...findings].join('\n');
}

/** The reports as a Markdown table for a job's summary. */
export function summarizeReports(reports: readonly VerifyReport[]): string {
  const table = tableLines(
    ['platform', 'result', 'executed', 'SHA-256'],
    reports.map((report) => [
      report.platform,
      report.result,
      executionOf(report),
      `\`${report.executableSha256}\``,
    ]),
  );
  const findings = reports.flatMap(({ findings: found }) =>
    found.map(({ code, message }) => `- ${code}: ${message}`),
  );
  return ['### Verified executables', '', ...table, '', ...findings].join('\n').trimEnd();
}

function executionOf({ execution }: VerifyReport): string {
  if (execution.how === 'container') return `by ${execution.engine}`;
  return execution.how === 'emulated' ? `by ${execution.emulator}` : execution.how;
}
