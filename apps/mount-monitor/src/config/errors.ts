/** What was wrong: a command line that cannot be read, or a configuration that cannot be used. */
export type ConfigErrorCode = 'usage' | 'unreadable' | 'syntax' | 'invalid';

/** How many problems a message lists. */
const MAX_LISTED = 100;

/** A configuration that cannot be used; the message lists its problems, one per line, up to a hundred. */
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

/** The first hundred, and how many more there are. */
export function listed(problems: readonly string[]): readonly string[] {
  if (problems.length <= MAX_LISTED) return problems;
  return [...problems.slice(0, MAX_LISTED), `and ${problems.length - MAX_LISTED} more`];
}
