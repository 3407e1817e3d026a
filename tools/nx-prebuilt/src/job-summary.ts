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

/**
 * Sets outputs of a GitHub Actions step; does nothing elsewhere. Values are single lines.
 * https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#setting-an-output-parameter
 */
export async function writeJobOutputs(
  outputs: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<void> {
  const path = environment.GITHUB_OUTPUT;
  if (path === undefined || path === '') return;
  const lines = Object.entries(outputs).map(
    ([name, value]) => `${name}=${value.replaceAll(/[\r\n]/g, ' ')}\n`,
  );
  await appendFile(path, lines.join(''));
}
