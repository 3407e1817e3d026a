import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  convertWorkflowTemplate,
  NoOperationTraceWriter,
  parseWorkflow,
  type WorkflowTemplate,
} from '@actions/workflow-parser';
import { parse } from 'yaml';

/** A mapping of scalars, such as `env`, `with` and `outputs`, before their expressions are evaluated. */
export type Scalars = Readonly<Record<string, string | number | boolean>>;

/** A step, before its expressions are evaluated. */
export interface WorkflowStep {
  readonly id?: string;
  readonly name?: string;
  readonly if?: string | boolean;
  readonly uses?: string;
  readonly with?: Scalars;
  readonly run?: string;
  readonly env?: Scalars;
  readonly 'continue-on-error'?: boolean;
}

/** The container of a job. Not supported: the short form with only an image, `credentials` and `ports`. */
export interface JobContainer {
  readonly image: string;
  readonly options?: string;
  readonly volumes?: readonly string[];
  readonly env?: Scalars;
}

/** A job, before its expressions are evaluated. */
export interface WorkflowJob {
  readonly needs?: string | readonly string[];
  readonly if?: string | boolean;
  readonly 'runs-on': string;
  readonly name?: string;
  readonly environment?: string;
  readonly container?: JobContainer;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  readonly strategy?: {
    readonly 'fail-fast'?: boolean;
    readonly matrix: { readonly include: readonly Scalars[] };
  };
  readonly env?: Scalars;
  readonly outputs?: Scalars;
  readonly steps: readonly WorkflowStep[];
}

/** A workflow file, as parsed by GitHub's own parser, and as plain YAML. */
export interface Workflow {
  readonly name: string;
  /** The file's name, without its folder. */
  readonly file: string;
  readonly text: string;
  /** GitHub's own model: events with their filters, and jobs in order. */
  readonly template: WorkflowTemplate;
  readonly permissions: unknown;
  readonly concurrency?: {
    readonly group: string;
    readonly queue?: 'single' | 'max';
    readonly 'cancel-in-progress'?: string | boolean;
  };
  readonly env: Scalars;
  readonly jobs: Readonly<Record<string, WorkflowJob>>;
}

/** Reads a workflow file with GitHub's own parser. Throws an error with every problem that it finds. */
export async function readWorkflow(path: string): Promise<Workflow> {
  return parseWorkflowText(await readFile(path, 'utf8'), path);
}

/** Parses a workflow with GitHub's own parser. Throws an error with every problem that it finds. */
export async function parseWorkflowText(text: string, path: string): Promise<Workflow> {
  const { context, value } = parseWorkflow(
    { name: basename(path), content: text },
    new NoOperationTraceWriter(),
  );
  const template = value === undefined ? undefined : await convertWorkflowTemplate(context, value);
  const problems = [
    ...context.errors.getErrors().map(({ message }) => message),
    ...(template?.errors ?? []).map(({ Message }) => Message),
  ];
  if (template === undefined || problems.length > 0) throw new Error(`${path}: ${problems.join('; ')}`);
  const yaml = parse(text);
  return {
    name: yaml.name,
    file: basename(path),
    text,
    template,
    permissions: yaml.permissions,
    concurrency: yaml.concurrency,
    env: yaml.env ?? {},
    jobs: yaml.jobs,
  };
}
