import type { HasherContext, ProjectGraph, Task } from '@nx/devkit';
import { PRODUCED } from './outputs.ts';

/** One input of a target, or one part of a named input. */
type Input = string | object;

type Context = Pick<HasherContext, 'projectGraph'> & Partial<Pick<HasherContext, 'nxJsonConfiguration'>>;

const FILE_SET = /^!?\{(?:projectRoot|workspaceRoot)\}/;

/**
 * Whether a task's inputs are files of the workspace, installed packages, and the JSON files that preceding tasks wrote:
 * then Nx hashes the task without its environment and without running anything. Named inputs count if none in the
 * workspace is more than that.
 * https://nx.dev/reference/inputs
 */
export function hasPlainInputs({ target }: Task, context: Context): boolean {
  const inputs = context.projectGraph.nodes[target.project]?.data.targets?.[target.target]?.inputs;
  return inputs?.every((input) => isPlain(input, context) || isProduced(input)) ?? false;
}

function isPlain(input: Input, context: Context): boolean {
  if (
    typeof input === 'string' ? FILE_SET.test(input) : 'fileset' in input || 'externalDependencies' in input
  ) {
    return true;
  }
  const isNamed = typeof input === 'string' || 'input' in input;
  return isNamed && areNamedInputsPlain(context);
}

function isProduced(input: Input): boolean {
  if (typeof input === 'string' || !('dependentTasksOutputFiles' in input)) return false;
  return input.dependentTasksOutputFiles === PRODUCED && !('transitive' in input && input.transitive);
}

/** Whether all named inputs are plain, by project graph: there may be thousands of projects. */
const known = new WeakMap<ProjectGraph, boolean>();

function areNamedInputsPlain({ projectGraph, nxJsonConfiguration }: Context): boolean {
  if (nxJsonConfiguration === undefined) return false;
  const found = known.get(projectGraph);
  if (found !== undefined) return found;
  const isFileOrName = (part: Input) =>
    typeof part === 'string' || 'fileset' in part || 'externalDependencies' in part || 'input' in part;
  const all = [nxJsonConfiguration, ...Object.values(projectGraph.nodes).map(({ data }) => data)];
  const plain = all.every(({ namedInputs = {} }) =>
    Object.values(namedInputs).every((parts) => parts.every(isFileOrName)),
  );
  known.set(projectGraph, plain);
  return plain;
}
