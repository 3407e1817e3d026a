import type { ProjectGraph, TargetConfiguration, Task } from '@nx/devkit';
import { describe, expect, it } from 'vitest';
import { hasPlainInputs } from './inputs.ts';

type Inputs = NonNullable<TargetConfiguration['inputs']>;
type NamedInputs = Readonly<Record<string, Inputs>>;

const TASK: Task = {
  id: 'server:verify',
  target: { project: 'server', target: 'verify' },
  overrides: {},
  outputs: [],
  parallelism: true,
  cache: true,
};

const isPlain = (
  inputs: Inputs | undefined,
  named: {
    readonly workspace?: NamedInputs;
    readonly project?: NamedInputs;
    readonly other?: NamedInputs;
  } = {},
) => {
  const node = (name: string, namedInputs: NamedInputs = {}) => ({
    type: 'app' as const,
    name,
    data: { root: name, targets: { verify: { ...(inputs && { inputs }) } }, namedInputs: { ...namedInputs } },
  });
  const projectGraph: ProjectGraph = {
    dependencies: {},
    nodes: { server: node('server', named.project), other: node('other', named.other) },
  };
  return hasPlainInputs(TASK, { projectGraph, nxJsonConfiguration: { namedInputs: { ...named.workspace } } });
};

describe('hasPlainInputs', () => {
  it.each<[string, Inputs]>([
    ['no inputs', []],
    ['files', ['{workspaceRoot}/Dockerfile.release', '{projectRoot}/**/*', '!{projectRoot}/**/*.md']],
    ['a file set', [{ fileset: '{projectRoot}/**/*' }]],
    ['installed packages', [{ externalDependencies: ['nx'] }]],
    ['JSON files of the preceding tasks', [{ dependentTasksOutputFiles: '**/*.json' }]],
    ['a named input', ['production', '^production']],
    ['a named input of other projects', [{ input: 'production', projects: ['lib'] }]],
  ])('%s can be hashed early', (_, inputs) => {
    expect(isPlain(inputs, { workspace: { production: ['default', '!{projectRoot}/**/*.md'] } })).toBe(true);
  });

  it.each<[string, Inputs | undefined]>([
    ['inputs that Nx chooses', undefined],
    ['a variable of the environment', [{ env: 'CI' }]],
    ['the output of a command', [{ runtime: 'node --version' }]],
    ['any file of the preceding tasks', [{ dependentTasksOutputFiles: '**/*' }]],
    ['files of all tasks before', [{ dependentTasksOutputFiles: '**/*.json', transitive: true }]],
    ['something unknown next to files', ['{projectRoot}/**/*', { unheard: true } as never]],
  ])('%s can’t be hashed early', (_, inputs) => {
    expect(isPlain(inputs)).toBe(false);
  });

  it.each(['workspace', 'project', 'other'] as const)(
    'a named input can’t be hashed early if one of the %s uses the environment',
    (place) => {
      const named = { [place]: { production: [{ env: 'CI' }] } };
      expect(isPlain(['production'], named)).toBe(false);
      expect(isPlain(['{projectRoot}/**/*'], named)).toBe(true);
    },
  );

  it('a named input can’t be hashed early if nx.json is unknown', () => {
    const data = { root: 'server', targets: { verify: { inputs: ['production'] } } };
    const projectGraph: ProjectGraph = {
      dependencies: {},
      nodes: { server: { type: 'app', name: 'server', data } },
    };
    expect(hasPlainInputs(TASK, { projectGraph })).toBe(false);
  });
});
