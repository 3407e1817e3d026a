import type { ContainerConfig, ExpectedImage, ReadEntry } from '@prebuilt/oci';
import { describe, expect, it } from 'vitest';
import { sampleManifest } from '../../testing/sample-manifest.ts';
import type { PlatformArtifact } from '../artifacts/manifest.ts';
import { checkCompleteness } from './completeness.ts';

const ARTIFACT = sampleManifest.platforms.find(({ runtime }) => runtime.files.length > 0) as PlatformArtifact;

const file = (path: string, sha256: string, mode = 0o755): ReadEntry => ({
  type: 'file',
  path,
  mode,
  uid: 0,
  gid: 0,
  mtime: 0,
  size: 1,
  sha256,
});
const RUNTIME = ARTIFACT.runtime.files.map(({ path, sha256, mode }) =>
  file(path, sha256, Number.parseInt(mode, 8)),
);
const PROGRAM = file('app', ARTIFACT.sha256);

const image = (
  config: Partial<ContainerConfig>,
  files: readonly ReadEntry[] = [...RUNTIME, PROGRAM],
): ExpectedImage => ({
  platform: { os: 'linux', architecture: 'amd64' },
  config: { env: ['PATH=/usr/bin:/'], workingDir: '/', entrypoint: ['/app'], ...config },
  created: 0,
  history: [],
  layers: [files],
});

describe('checkCompleteness', () => {
  it.each<[string, Partial<ContainerConfig>]>([
    ['an absolute entrypoint', {}],
    ['a command without an entrypoint', { entrypoint: undefined, cmd: ['/app', 'serve'] }],
    ['a program in PATH', { entrypoint: ['app'] }],
    ['a program relative to the working directory', { entrypoint: ['../app'], workingDir: '/srv' }],
    ['a user and group by number', { user: '65532:65532' }],
  ])('takes %s', (_, config) => {
    expect(() => checkCompleteness(ARTIFACT, image(config))).not.toThrow();
  });

  it('takes a user by name where there is a list of users', () => {
    const files = [...RUNTIME, PROGRAM, file('etc/passwd', 'f'.repeat(64), 0o644)];
    expect(() => checkCompleteness(ARTIFACT, image({ user: 'nonroot' }, files))).not.toThrow();
  });

  it.each<[string, ExpectedImage, RegExp]>([
    ['no command', image({ entrypoint: [] }), /expected an ENTRYPOINT or a CMD/],
    ['the shell form', image({ entrypoint: ['/bin/sh', '-c', '/app'] }), /starts "\/bin\/sh"/],
    [
      'a program that is nowhere in PATH',
      image({ entrypoint: ['ap'] }),
      /starts "ap": expected a file of the image/,
    ],
    ['a folder on the way', image({ entrypoint: ['./app'], workingDir: '/srv' }), /found none/],
    ['a user by name', image({ user: 'nonroot' }), /\/etc\/passwd/],
    ['a group by name', image({ user: '1:nonroot' }), /\/etc\/group/],
    ['no executable', image({}, RUNTIME), /expected the executable/],
    [
      'an executable that may not run',
      image({}, [...RUNTIME, { ...PROGRAM, mode: 0o644 }]),
      /with a mode that lets it run/,
    ],
    ['no runtime files', image({}, [PROGRAM]), /expected the runtime file .* found none/],
    [
      'another runtime file',
      image({}, [...RUNTIME.map((each) => ({ ...each, sha256: '0'.repeat(64) })), PROGRAM]),
      /expected the runtime file .* found another/,
    ],
  ])('refuses an image with %s', (_, planned, named) => {
    expect(() => checkCompleteness(ARTIFACT, planned)).toThrow(named);
  });
});
