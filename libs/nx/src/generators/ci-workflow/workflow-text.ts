/** A job's permission and the reason for it. */
export interface Permission {
  readonly name: string;
  readonly access: 'read' | 'write';
  readonly why: string;
}

/** A job. Steps and other texts are literal YAML without indentation. */
export interface Job {
  readonly id: string;
  readonly name: string;
  readonly needs?: readonly string[];
  readonly if?: string;
  readonly runner: string;
  /** The timeout in minutes. */
  readonly minutes: number;
  readonly environment?: string | undefined;
  readonly permissions: readonly Permission[];
  readonly strategy?: string;
  readonly container?: string | undefined;
  readonly outputs?: Readonly<Record<string, string>>;
  readonly env?: string;
  readonly steps: readonly string[];
}

/** A GitHub Actions expression. */
export function expression(text: string): string {
  return `\${{ ${text} }}`;
}

/** Indents every nonempty line of a text. */
export function indented(text: string, columns: number): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? line : `${' '.repeat(columns)}${line}`))
    .join('\n');
}

/** A step that runs a one-line script. */
export function run(script: string): string {
  // ": " and " #" are syntax in YAML.
  return /: | #|^[^\w./]/.test(script) ? `- run: |\n    ${script}` : `- run: ${script}`;
}

/** A step that uses an action. */
export function use(
  action: string,
  inputs: string = '',
  {
    id,
    condition,
    lenient,
  }: { readonly id?: string; readonly condition?: string; readonly lenient?: boolean } = {},
): string {
  const keys = [
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(condition === undefined ? [] : [`if: ${expression(condition)}`]),
    ...(lenient === true ? ['continue-on-error: true'] : []),
    `uses: ${action}`,
    ...(inputs === '' ? [] : ['with:', indented(inputs, 2)]),
  ];
  return `- ${indented(keys.join('\n'), 2).trimStart()}`;
}

/** The YAML of a job, indented for `jobs:`. */
export function jobText(job: Job): string {
  const section = (key: string, text: string | undefined): readonly string[] =>
    text === undefined || text === '' ? [] : [`${key}:`, indented(text, 2)];
  const lines = [
    `name: ${job.name}`,
    ...(job.needs === undefined ? [] : [`needs: ${needsText(job.needs)}`]),
    ...(job.if === undefined ? [] : [`if: ${expression(job.if)}`]),
    ...section('strategy', job.strategy),
    `runs-on: ${job.runner}`,
    `timeout-minutes: ${job.minutes}`,
    ...(job.environment === undefined ? [] : [`environment: ${job.environment}`]),
    ...section(
      'permissions',
      job.permissions.map(({ name, access, why }) => `${name}: ${access} # ${why}`).join('\n'),
    ),
    ...section('container', job.container),
    ...section(
      'outputs',
      Object.entries(job.outputs ?? {})
        .map(([name, value]) => `${name}: ${value}`)
        .join('\n'),
    ),
    ...section('env', job.env),
    'steps:',
    indented(job.steps.join('\n'), 2),
  ];
  return indented(`${job.id}:\n${indented(lines.join('\n'), 2)}`, 2);
}

function needsText(needs: readonly string[]): string {
  return needs.length === 1 ? String(needs[0]) : `[${needs.join(', ')}]`;
}
