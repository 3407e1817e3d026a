import type { ProjectGraph, Task } from '@nx/devkit';

type Options = Readonly<Record<string, unknown>>;

/** The executor of a task, without its package, and its options: the target's, the configuration's, the command line's. */
export function configurationOf({ target, overrides }: Task, { nodes }: ProjectGraph) {
  const configured = nodes[target.project]?.data.targets?.[target.target];
  const options: Options = {
    ...configured?.options,
    ...configured?.configurations?.[target.configuration ?? ''],
    ...camelCased(overrides),
  };
  return { executor: configured?.executor?.split(':').at(-1) ?? '', options };
}

// Nx passes command-line options as written: `--builder-name` or `--builderName`.
function camelCased(overrides: Options): Options {
  return Object.fromEntries(
    Object.entries(overrides ?? {}).map(([name, value]) => [
      name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
}
