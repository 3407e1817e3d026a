import { describe, expect, it } from 'vitest';
import { type ContainerPlan, createArguments } from './job-container.ts';

const PLAN: ContainerPlan = {
  name: 'rehearsal-1',
  settings: {
    image: 'node:24-bookworm@sha256:0',
    options: '--privileged  --cgroupns=host',
    volumes: ['engine:/var/lib/engine', '/host:/there:ro', '/anonymous'],
  },
  image: { reference: 'stand-in@sha256:1', volumes: ['/usr:/usr:ro'], env: { PATH: '/usr/bin', LANG: 'C' } },
  socket: '/run/engine.sock',
  machine: {
    folders: {
      root: '/jobs/test',
      work: '/jobs/test/machine',
      workspace: '/jobs/test/machine/name/name',
      temp: '/jobs/test/machine/_temp',
      home: '/jobs/test/machine/_temp/_github_home',
    },
    programs: '/jobs/programs',
    overlays: {},
    env: { LANG: 'en', CI: 'yes' },
  },
  overlays: [['rehearsal-1-overlay-0', '/__w/name/name/node_modules']],
};

/** The values of an option, which may be given several times. */
function valuesOf(args: readonly string[], option: string): readonly string[] {
  return args.flatMap((value, index) => (args[index - 1] === option ? [value] : []));
}

describe('docker create for a job', () => {
  const args = createArguments(PLAN);

  it('docker create gets the options of the workflow after those of the runner, so that they win', () => {
    expect(args.filter((each) => /^--(privileged|cgroupns|network)/.test(each))).toEqual([
      '--network=none',
      '--cgroupns=private',
      '--privileged',
      '--cgroupns=host',
    ]);
  });

  it('docker create mounts the volumes of the workflow and of the runner where the runner does', () => {
    expect(valuesOf(args, '--volume')).toEqual([
      '/run/engine.sock:/var/run/docker.sock',
      'rehearsal-1-engine:/var/lib/engine',
      '/host:/there:ro',
      '/anonymous',
      '/jobs/test/machine:/__w',
      '/jobs/test/externals:/__e:ro',
      '/jobs/test/machine/_temp:/__w/_temp',
      '/jobs/test/machine/_actions:/__w/_actions',
      '/jobs/test/machine/_tool:/__t',
      '/jobs/test/machine/_temp/_github_home:/github/home',
      '/jobs/test/machine/_temp/_github_workflow:/github/workflow',
      'rehearsal-1-overlay-0:/__w/name/name/node_modules',
      '/jobs/programs:/jobs/programs:ro',
      '/usr:/usr:ro',
    ]);
    expect(valuesOf(args, '--workdir')).toEqual(['/__w/name/name']);
  });

  it('docker create sets the variables of the image, then the workflow’s, then the runner’s', () => {
    expect(valuesOf(args, '--env')).toEqual([
      'PATH=/jobs/programs:/usr/bin',
      'LANG=en',
      'CI=yes',
      'HOME=/github/home',
      'GITHUB_ACTIONS=true',
    ]);
  });

  it('docker create starts a program that does nothing', () => {
    expect(args.slice(-5)).toEqual(['--entrypoint', 'tail', 'stand-in@sha256:1', '-f', '/dev/null']);
  });

  it('docker create is refused with settings that are not supported', () => {
    const settings = { ...PLAN.settings, ports: [80] };
    expect(() => createArguments({ ...PLAN, settings })).toThrow('found ports');
  });

  it.each(['--network host', '--entrypoint=x', '--env "A=b c"'])(
    'docker create is refused with the options %s',
    (options) => {
      const plan = { ...PLAN, settings: { ...PLAN.settings, options } };
      expect(() => createArguments(plan)).toThrow(options);
    },
  );
});
