import { randomUUID } from 'node:crypto';
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
 * Sets the outputs of a step in a GitHub Actions job; does nothing elsewhere. A value with several lines is written
 * with a delimiter that can't occur in it. Throws a `RangeError` for an invalid name.
 * https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#setting-an-output-parameter
 */
export async function writeJobOutputs(
  outputs: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<void> {
  const path = environment.GITHUB_OUTPUT;
  if (path === undefined || path === '') return;
  const lines = Object.entries(outputs).map(([name, value]) => {
    if (!/^[a-z][a-z0-9_-]*$/i.test(name))
      throw new RangeError(`${JSON.stringify(name)} is not a valid output name`);
    const delimiter = `end-${randomUUID()}`;
    return /[\r\n]/.test(value) ? `${name}<<${delimiter}\n${value}\n${delimiter}\n` : `${name}=${value}\n`;
  });
  await appendFile(path, lines.join(''));
}
