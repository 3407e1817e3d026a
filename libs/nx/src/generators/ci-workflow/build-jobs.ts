import { platformParts } from '../../artifacts/platform.ts';
import {
  ARM_RUNNER,
  ARTIFACTS,
  binaries,
  checkout,
  nx,
  nxMany,
  READ,
  RUNNER,
  testContainer,
  trusted,
  upload,
} from './job-steps.ts';
import type { ReleasedProgram, ReleaseSettings } from './release-settings.ts';
import { expression, indented, type Job, run } from './workflow-text.ts';

/** Checks whether a release can start. */
export function planJob(program: ReleasedProgram, { commands }: ReleaseSettings): Job {
  return {
    id: 'plan',
    name: 'Plan',
    runner: RUNNER,
    minutes: 10,
    permissions: [READ],
    steps: [checkout({ history: true }), ...commands.install.map(run), run(nx(program, 'plan'))],
  };
}

/** Runs the tests that must pass before a release is built. */
export function testJob({ test, container, engineFolder, commands }: ReleaseSettings): Job {
  return {
    id: 'test',
    name: 'Test',
    needs: ['plan'],
    runner: RUNNER,
    minutes: 60,
    permissions: [READ],
    container: testContainer(container, engineFolder),
    steps: [
      checkout(),
      ...trusted(container),
      ...commands.prepare.map(run),
      `${run(test)}\n  env:\n    # The tests set their own versions.\n    RELEASE_VERSION: ''`,
    ],
  };
}

/** Compiles once for every platform. */
export function buildJob(program: ReleasedProgram, { container, commands }: ReleaseSettings): Job {
  const { output } = program;
  return {
    id: 'build',
    name: 'Build',
    needs: ['test'],
    runner: RUNNER,
    minutes: 20,
    permissions: [READ],
    container: container === undefined ? undefined : `image: ${container}`,
    outputs: { attempt: expression('github.run_attempt') },
    steps: [
      checkout(),
      ...trusted(container),
      ...commands.prepare.map(run),
      run(nxMany(program, 'build-binaries', 'sbom')),
      '# A tar file, since uploaded files lose their executable bit.',
      run(`tar --create --file=binaries.tar ${output}/bin ${output}/sbom`),
      upload(`binaries-${expression('github.run_attempt')}`, 'binaries.tar'),
    ],
  };
}

/** Verifies every executable, on a native machine if possible. */
export function verifyJob(program: ReleasedProgram, { runners, commands }: ReleaseSettings): Job {
  const machines = program.platforms.map((platform) => {
    const native = platform === 'linux/amd64' || (runners === 'native' && platform === 'linux/arm64');
    const { os, architecture, variant = '' } = platformParts(platform);
    return {
      native,
      platform,
      report: `${os}-${architecture}${variant}`,
      runner: native && platform === 'linux/arm64' ? ARM_RUNNER : RUNNER,
    };
  });
  const include = machines.map(
    ({ platform, report, runner }) => `- platform: ${platform}\n  report: ${report}\n  runner: ${runner}`,
  );
  const ready = machines.every(({ native }) => native) ? commands.install : commands.prepare;
  return {
    id: 'verify',
    name: `Verify ${expression('matrix.platform')}`,
    needs: ['build'],
    strategy: `fail-fast: false\nmatrix:\n  include:\n${indented(include.join('\n'), 4)}`,
    runner: expression('matrix.runner'),
    minutes: 15,
    permissions: [READ, ARTIFACTS],
    steps: [
      checkout(),
      ...binaries(),
      ...ready.map(run),
      `${run(
        nx(
          program,
          'verify',
          '--exclude-task-dependencies --skip-nx-cache --platforms="$PLATFORM" --require-execution',
        ),
      )}\n  env:\n    PLATFORM: ${expression('matrix.platform')}`,
      upload(
        `verify-${expression('matrix.report')}-${expression('needs.build.outputs.attempt')}`,
        `${program.output}/verify/${expression('matrix.report')}.json`,
        true,
      ),
    ],
  };
}
