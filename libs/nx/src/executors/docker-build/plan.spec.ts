import { describe, expect, it } from 'vitest';
import { planDockerBuild } from './plan.ts';

const options = {
  tag: 'mount-monitor:dev',
  dockerfile: 'Dockerfile',
  context: '.',
  buildArguments: [],
  dryRun: false,
};

describe('planDockerBuild', () => {
  it('docker-build builds the workspace and loads the image, without attestations', () => {
    expect(planDockerBuild(options, '/w')).toEqual({
      file: 'docker',
      args: [
        'buildx',
        'build',
        '--load',
        '--provenance=false',
        '--file=/w/Dockerfile',
        '--tag=mount-monitor:dev',
        '/w',
      ],
    });
  });

  it('docker-build passes additional arguments unchanged, before the context', () => {
    const buildArguments = ['--no-cache', '--build-arg=A=b c; id'];
    expect(planDockerBuild({ ...options, context: 'sub', buildArguments }, '/w').args.slice(-3)).toEqual([
      '--no-cache',
      '--build-arg=A=b c; id',
      '/w/sub',
    ]);
  });
});
