import type { ExecutorContext } from '@nx/devkit';

/** The command that runs a target of the project that an executor works for; of the executor's own target by default. */
export function targetCommand(
  context: Pick<ExecutorContext, 'projectName' | 'targetName'>,
  target: string | undefined = context.targetName,
): string {
  return `nx run ${context.projectName ?? '<project>'}:${target ?? '<target>'}`;
}
