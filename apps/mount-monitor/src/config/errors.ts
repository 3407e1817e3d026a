/** The kind of failure: an invalid command line, or a configuration that cannot be used. */
export type ConfigErrorCode = 'usage' | 'unreadable' | 'syntax' | 'invalid';

/** How many problems a message lists. */
const MAX_LISTED = 100;

/** An unusable configuration. The message lists its problems, one per line, up to a hundred. */
export class ConfigError extends Error {
  readonly code: ConfigErrorCode;
  readonly problems: readonly string[];

  constructor(code: ConfigErrorCode, message: string, problems: readonly string[] = [], cause?: unknown) {
    super([message, ...listed(problems).map((problem) => `  ${problem}`)].join('\n'), { cause });
    this.name = 'ConfigError';
    this.code = code;
    this.problems = problems;
  }
}

/** The first hundred problems, and the number of further ones. */
export function listed(problems: readonly string[]): readonly string[] {
  if (problems.length <= MAX_LISTED) return problems;
  return [...problems.slice(0, MAX_LISTED), `and ${problems.length - MAX_LISTED} more`];
}
