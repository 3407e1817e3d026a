import type { ContainerConfig, ExpectedImage, ReadEntry } from '@prebuilt/oci';
import { describe, expect, it } from 'vitest';
import { sampleManifest } from '../../testing/sample-manifest.ts';
import type { PlatformArtifact } from '../artifacts/manifest.ts';
import { checkCompleteness } from './completeness.ts';
import type { ImageLists } from './plan.ts';

const ARTIFACT = sampleManifest.platforms.find(({ runtime }) => runtime.files.length > 0) as PlatformArtifact;

const NO_LISTS: ImageLists = { passwd: { kind: 'none' }, group: { kind: 'none' } };

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
    ['a numeric user and group', { user: '65532:65532' }],
  ])('accepts %s', (_, config) => {
    expect(() => checkCompleteness(ARTIFACT, image(config), NO_LISTS)).not.toThrow();
  });

  const passwd = 'root:x:0:0:root:/root:/x\nnonroot:x:65532:65532::/:/x\n';
  const lists: ImageLists = {
    passwd: { kind: 'read', text: passwd, path: 'files/etc/passwd' },
    group: { kind: 'read', text: 'root:x:0:\nstaff:x:50:\n', path: 'files/etc/group' },
  };

  it('accepts a user and a group by name if they are in the image’s lists', () => {
    expect(() => checkCompleteness(ARTIFACT, image({ user: 'nonroot:staff' }), lists)).not.toThrow();
  });

  it.each<[string, string, ImageLists, RegExp]>([
    [
      'a user missing in its list',
      'server',
      lists,
      /USER server: expected a line for server in files\/etc\/passwd/,
    ],
    ['a group missing in its list', 'nonroot:nobody', lists, /a line for nobody in files\/etc\/group/],
    ['a user that is only a group', 'staff', lists, /a line for staff in files\/etc\/passwd/],
    [
      'a user by name with an unread list',
      'nonroot',
      { ...lists, passwd: { kind: 'unread', path: 'files/users' } },
      /to read \/etc\/passwd, but it is copied from files\/users/,
    ],
  ])('refuses %s', (_, user, given, named) => {
    expect(() => checkCompleteness(ARTIFACT, image({ user }), given)).toThrow(named);
  });

  const executed = (config: Partial<ContainerConfig>, files: readonly ReadEntry[]): ExpectedImage => ({
    ...image(config, []),
    unplanned: { because: ['Dockerfile:2: RUN'], files },
  });

  it('leaves it to the proof to check what commands may add', () => {
    const unplanned: ImageLists = { passwd: { kind: 'unplanned' }, group: { kind: 'unplanned' } };
    const image = executed({ user: 'app', entrypoint: ['tini', '/app'] }, [...RUNTIME, PROGRAM]);
    expect(() => checkCompleteness(ARTIFACT, image, unplanned)).not.toThrow();
  });

  it('refuses an image with commands that lacks a verified file', () => {
    expect(() => checkCompleteness(ARTIFACT, executed({}, RUNTIME), NO_LISTS)).toThrow(
      /expected the executable/,
    );
    expect(() => checkCompleteness(ARTIFACT, executed({}, [PROGRAM]), NO_LISTS)).toThrow(
      /the verified runtime file/,
    );
  });

  it.each<[string, ExpectedImage, RegExp]>([
    ['no command', image({ entrypoint: [] }), /expected an ENTRYPOINT or a CMD/],
    ['the shell form', image({ entrypoint: ['/bin/sh', '-c', '/app'] }), /starts "\/bin\/sh"/],
    [
      'a program that is not in PATH',
      image({ entrypoint: ['ap'] }),
      /starts "ap": expected a file in the image/,
    ],
    ['a program in the wrong folder', image({ entrypoint: ['./app'], workingDir: '/srv' }), /found none/],
    ['a user by name', image({ user: 'nonroot' }), /\/etc\/passwd/],
    ['a group by name', image({ user: '1:nonroot' }), /\/etc\/group/],
    ['no executable', image({}, RUNTIME), /expected the executable/],
    [
      'an executable without an executable mode',
      image({}, [...RUNTIME, { ...PROGRAM, mode: 0o644 }]),
      /with an executable mode/,
    ],
    ['no runtime files', image({}, [PROGRAM]), /expected the verified runtime file .* found none/],
    [
      'a changed runtime file',
      image({}, [...RUNTIME.map((each) => ({ ...each, sha256: '0'.repeat(64) })), PROGRAM]),
      /expected the verified runtime file .* found another/,
    ],
  ])('refuses an image with %s', (_, planned, named) => {
    expect(() => checkCompleteness(ARTIFACT, planned, NO_LISTS)).toThrow(named);
  });
});
