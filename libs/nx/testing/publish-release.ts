import { sleepingClock } from '@prebuilt/testing/registry';
import type { DockerPublishOptions } from '../src/executors/docker-publish/options.ts';
import { type PublishResult, publish } from './publish.ts';
import { publishOptions } from './publish-workspace.ts';
import type { ReleaseWorkspace } from './release-workspace.ts';

/** Publishes the content of a docker-release workspace under its version, without a git repository. */
export function publishRelease(
  workspace: ReleaseWorkspace,
  image: string,
  more: Partial<DockerPublishOptions> = {},
): Promise<PublishResult> {
  return publish(
    {
      root: workspace.root,
      environment: {
        RELEASE_VERSION: workspace.manifest.version,
        DOCKER_CONFIG: workspace.path('.docker'),
      },
      options: (name, given) => publishOptions(name, { sbom: false, tagLatest: 'never', ...given }),
    },
    image,
    more,
    { clock: sleepingClock() },
  );
}
