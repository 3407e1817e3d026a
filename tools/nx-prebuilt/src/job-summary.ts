import { appendFile } from 'node:fs/promises';

/**
 * Appends Markdown to the summary of a GitHub Actions job; does nothing elsewhere.
 * https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary
 */
export async function writeJobSummary(
  markdown: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<void> {
  const path = environment.GITHUB_STEP_SUMMARY;
  if (path !== undefined && path !== '') await appendFile(path, `${markdown}\n\n`);
}
