import { AsyncLocalStorage } from 'node:async_hooks';
import { vi } from 'vitest';
import type { PublishDependencies } from '../src/executors/docker-publish/connect.ts';
import dockerPublish from '../src/executors/docker-publish/executor.ts';
import type { DockerPublishOptions } from '../src/executors/docker-publish/options.ts';
import type { PublishWorkspace } from './publish-workspace.ts';

/** The result of running the executor, with all its output. */
export interface PublishResult {
  readonly success: boolean;
  readonly output: string;
}

// Concurrent publishes in one process share its console, so assign each line to the one that printed it.
const printed = new AsyncLocalStorage<string[]>();
let running = 0;

/** Runs the executor in this process and collects its output; several may run at once. */
export async function publish(
  workspace: Pick<PublishWorkspace, 'root' | 'environment' | 'options'>,
  image: string,
  more: Partial<DockerPublishOptions> = {},
  dependencies: PublishDependencies = {},
): Promise<PublishResult> {
  const lines: string[] = [];
  running += 1;
  if (running === 1) {
    for (const name of ['log', 'warn', 'error'] as const) {
      vi.spyOn(console, name).mockImplementation((...parts: readonly unknown[]) => {
        printed.getStore()?.push(parts.map(String).join(' '));
      });
    }
  }
  try {
    const { success } = await printed.run(lines, () =>
      dockerPublish(
        workspace.options(image, more),
        { root: workspace.root },
        { environment: workspace.environment, ...dependencies },
      ),
    );
    return { success, output: lines.join('\n') };
  } finally {
    running -= 1;
    if (running === 0) vi.restoreAllMocks();
  }
}
