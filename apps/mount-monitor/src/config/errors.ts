/** What was wrong: a command line that cannot be read, or a configuration that cannot be used. */
export type ConfigErrorCode = 'usage' | 'unreadable' | 'syntax' | 'invalid';

/** A configuration that cannot be used; the message lists every problem, one a line. */
export class ConfigError extends Error {
  readonly code: ConfigErrorCode;
  readonly problems: readonly string[];

  constructor(code: ConfigErrorCode, message: string, problems: readonly string[] = [], cause?: unknown) {
    super([message, ...problems.map((problem) => `  ${problem}`)].join('\n'), { cause });
    this.name = 'ConfigError';
    this.code = code;
    this.problems = problems;
  }
}
