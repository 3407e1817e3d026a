import { vi } from 'vitest';
import type { Outside } from '../src/executors/docker-publish/connect.ts';
import dockerPublish from '../src/executors/docker-publish/executor.ts';
import type { DockerPublishOptions } from '../src/executors/docker-publish/options.ts';
import type { PublishWorkspace } from './publish-workspace.ts';

/** What a run of the executor came to, with all that it printed. */
export interface PublishResult {
  readonly success: boolean;
  readonly output: string;
}

/** Runs the executor in this process and collects its output. */
export async function publish(
  workspace: PublishWorkspace,
  image: string,
  more: Partial<DockerPublishOptions> = {},
  outside: Outside = {},
): Promise<PublishResult> {
  const lines: string[] = [];
  const spies = (['log', 'warn', 'error'] as const).map((name) =>
    vi.spyOn(console, name).mockImplementation((...parts: readonly unknown[]) => {
      lines.push(parts.map(String).join(' '));
    }),
  );
  try {
    const { success } = await dockerPublish(
      workspace.options(image, more),
      { root: workspace.root },
      { environment: workspace.environment, ...outside },
    );
    return { success, output: lines.join('\n') };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
