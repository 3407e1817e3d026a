import { resolve } from 'node:path';
import type { Command } from '../../process/command.ts';
import type { DockerBuildOptions } from './options.ts';

/**
 * The command that builds and loads the image. It adds no attestations, which would turn the loaded image into an index
 * with a different digest for each build.
 *
 * @see https://docs.docker.com/reference/cli/docker/buildx/build/
 */
export function planDockerBuild(options: DockerBuildOptions, workspaceRoot: string): Command {
  return {
    file: 'docker',
    args: [
      'buildx',
      'build',
      '--load',
      '--provenance=false',
      `--file=${resolve(workspaceRoot, options.dockerfile)}`,
      `--tag=${options.tag}`,
      ...options.buildArguments,
      resolve(workspaceRoot, options.context),
    ],
  };
}
