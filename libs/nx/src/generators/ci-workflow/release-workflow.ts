import { type Platform, platformParts } from '../../artifacts/platform.ts';
import { ACTIONS, BUILDKIT } from './actions.ts';
import type { Commands } from './commands.ts';
import type { CiWorkflowOptions } from './options.ts';
import { LOGINS } from './registries.ts';
import { expression, indented, type Job, jobText, type Permission, run, use } from './workflow-text.ts';

/** A program that is released, as its prebuilt.json and nx.json say. */
export interface ReleasedProgram {
  /** The Nx project. */
  readonly project: string;
  readonly program: string;
  /** Its tag pattern, with `{version}` left. */
  readonly tagPattern: string;
  /** The folder of everything that is built, relative to the workspace's root. */
  readonly output: string;
  readonly platforms: readonly Platform[];
  /** Where the image goes; an empty list is ghcr.io beside the repository. Undefined without an image. */
  readonly repositories: readonly string[] | undefined;
  readonly page: boolean;
  /** The name of a target, which nx.json may have changed. */
  target(name: string): string;
}

/** What the workflow of a program is made with. */
export interface ReleaseSettings extends Pick<CiWorkflowOptions, 'registry' | 'runners' | 'test'> {
  readonly environment: string | undefined;
  readonly container: string | undefined;
  readonly engineFolder: string | undefined;
  readonly sparse: readonly string[] | undefined;
  readonly commands: Commands;
  /** Whether the program is the only one, so that names need not say which. */
  readonly alone: boolean;
}

const RUNNER = 'ubuntu-24.04';
const ARM_RUNNER = 'ubuntu-24.04-arm';

const READ: Permission = { name: 'contents', access: 'read', why: 'the checkout' };
const ARTIFACTS: Permission = {
  name: 'actions',
  access: 'read',
  why: 'what earlier jobs left is downloaded',
};

/** The release workflow of a program: from its tag to its image and page. */
export function releaseWorkflow(program: ReleasedProgram, settings: ReleaseSettings): string {
  const title = settings.alone ? 'Release' : `Release ${program.program}`;
  const group = settings.alone ? 'release' : `release-${program.program}`;
  const jobs = [
    planJob(program, settings),
    testJob(settings),
    buildJob(program, settings),
    verifyJob(program, settings),
    attestJob(program),
    ...(program.page ? [draftJob(program, settings)] : []),
    ...(program.repositories === undefined ? [] : [imageJob(program, settings)]),
    ...(program.page ? [pageJob(program, settings)] : []),
  ];
  // A tag v1.2.3 is a version; where another pattern is used, the version is found from the tag at HEAD.
  const version =
    program.tagPattern === 'v{version}' ? 'inputs.version || github.ref_name' : 'inputs.version';
  return `# Written by nx g @prebuilt/nx:ci-workflow; what it was told stands in nx.json below "generators".
# A pushed tag ${program.tagPattern} becomes a release. The jobs hold no logic; each one calls Nx targets.
# No cache reaches a release, a remote one neither, whose failure would fail the run.
name: ${title}

on:
  push:
    tags: ['${program.tagPattern.replace('{version}', '*.*.*')}']
  # Run it on the tag ("Use workflow from"), with the tag's version.
  workflow_dispatch:
    inputs:
      version:
        description: The version to release, such as 1.2.3. Its tag must be where the workflow runs.
        required: true
        type: string

permissions: {}

defaults:
  run:
    shell: bash

# One release at a time, whichever version: "latest" is decided from what is published. Up to 100 wait.
concurrency:
  group: ${group}
  queue: max
  cancel-in-progress: false

env:
  RELEASE_VERSION: ${expression(version)}

jobs:
${jobs.map(jobText).join('\n\n')}
`;
}

function checkout({
  history = false,
  sparse,
}: {
  history?: boolean;
  sparse?: readonly string[] | undefined;
} = {}) {
  return use(
    ACTIONS.checkout,
    [
      ...(history ? ['fetch-depth: 0'] : []),
      'persist-credentials: false',
      ...(sparse === undefined
        ? []
        : ['sparse-checkout-cone-mode: false', 'sparse-checkout: |', indented(sparse.join('\n'), 2)]),
    ].join('\n'),
  );
}

/** What the build left, by the number of the attempt that built it: a re-run finds what it belongs to. */
const BINARIES = `binaries-${expression('needs.build.outputs.attempt')}`;

function download(inputs: readonly string[], more: Parameters<typeof use>[2] = {}): string {
  // With a token an artifact is looked for in all attempts of the run, without one in some.
  return use(ACTIONS.download, [...inputs, `github-token: ${expression('github.token')}`].join('\n'), more);
}

function upload(name: string, path: string, overwrite = false): string {
  return use(
    ACTIONS.upload,
    [
      `name: ${name}`,
      `path: ${path}`,
      'if-no-files-found: error',
      ...(overwrite ? ['overwrite: true'] : []),
    ].join('\n'),
  );
}

function binaries(): readonly string[] {
  return [download([`name: ${BINARIES}`]), run('tar --extract --file=binaries.tar')];
}

function nx(program: ReleasedProgram, target: string, ...args: readonly string[]): string {
  return ['npx nx run', `${program.project}:${program.target(target)}`, ...args].join(' ');
}

function planJob(program: ReleasedProgram, { commands }: ReleaseSettings): Job {
  return {
    id: 'plan',
    name: 'Plan',
    runner: RUNNER,
    minutes: 10,
    permissions: [READ],
    steps: [checkout({ history: true }), ...commands.install.map(run), run(nx(program, 'plan'))],
  };
}

function testJob({ test, container, engineFolder, commands }: ReleaseSettings): Job {
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
      `${run(test)}\n  env:\n    # The tests make versions of their own.\n    RELEASE_VERSION: ''`,
    ],
  };
}

/** The container of tests. One that starts an engine needs its rights, and data that lie on no overlay. */
export function testContainer(
  image: string | undefined,
  engineFolder: string | undefined,
): string | undefined {
  if (image === undefined) return undefined;
  if (engineFolder === undefined) return `image: ${image}`;
  return `image: ${image}
# The tests start an engine and mount FUSE file systems: an engine's data can't lie on the container's own
# overlay, and it makes cgroups where the machine's are delegated.
options: --privileged --cgroupns=host
volumes:
  - engine:${engineFolder}`;
}

/** In a container the checkout belongs to somebody else than who works with it. */
export function trusted(container: string | undefined): readonly string[] {
  return container === undefined ? [] : [run('git config --global --add safe.directory "$GITHUB_WORKSPACE"')];
}

function buildJob(program: ReleasedProgram, { container, commands }: ReleaseSettings): Job {
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
      run(nx(program, 'build-binaries')),
      run(nx(program, 'sbom')),
      '# One tar: an uploaded file loses its executable bit.',
      run(`tar --create --file=binaries.tar ${output}/bin ${output}/sbom`),
      upload(`binaries-${expression('github.run_attempt')}`, 'binaries.tar'),
    ],
  };
}

function verifyJob(program: ReleasedProgram, { runners, commands }: ReleaseSettings): Job {
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

/** GitHub keeps attestations of public repositories, and of private ones with Enterprise Cloud alone. */
const ATTEST = `ATTEST: ${expression("github.event.repository.visibility == 'public' || vars.ATTEST == 'true'")}`;

const IDENTITY: Permission = {
  name: 'id-token',
  access: 'write',
  why: 'signatures and attestations name this job',
};
const ATTESTATIONS: Permission = {
  name: 'attestations',
  access: 'write',
  why: 'GitHub keeps the attestation',
};

function attestJob({ output }: ReleasedProgram): Job {
  return {
    id: 'attest',
    name: 'Attest',
    needs: ['build', 'verify'],
    runner: RUNNER,
    minutes: 10,
    permissions: [ARTIFACTS, IDENTITY, ATTESTATIONS],
    env: `# Decided before anything is published: a private repository may have no attestations.\n${ATTEST}`,
    steps: [
      ...binaries(),
      use(ACTIONS.attest, `subject-checksums: ${output}/bin/checksums.txt`, {
        condition: "env.ATTEST == 'true'",
      }),
      `- if: ${expression("env.ATTEST != 'true'")}\n  run: echo 'Not attested; the variable ATTEST says otherwise.' >>"$GITHUB_STEP_SUMMARY"`,
    ],
  };
}

function draftJob(program: ReleasedProgram, { commands, environment }: ReleaseSettings): Job {
  return {
    id: 'draft',
    name: 'Draft',
    needs: ['build', 'attest'],
    runner: RUNNER,
    minutes: 30,
    environment,
    permissions: [{ name: 'contents', access: 'write', why: 'the draft of the release page' }, ARTIFACTS],
    steps: [
      checkout({ history: true }),
      ...binaries(),
      ...commands.install.map(run),
      `${run(nx(program, 'github-draft', '--exclude-task-dependencies'))}\n  env:\n    GITHUB_TOKEN: ${expression('secrets.GITHUB_TOKEN')}`,
    ],
  };
}

/** The image's repositories as an expression or a text. */
function imageOf({ program, repositories = [] }: ReleasedProgram, alone: boolean): string {
  const own = alone ? 'IMAGE' : `IMAGE_${program.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;
  const place =
    repositories.length > 0
      ? `'${repositories.join(',')}'`
      : alone
        ? "format('{0}/{1}', vars.REGISTRY || 'ghcr.io', github.repository)"
        : `format('{0}/{1}/${program}', vars.REGISTRY || 'ghcr.io', github.repository)`;
  return expression(`vars.${own} || ${place}`);
}

function imageJob(program: ReleasedProgram, settings: ReleaseSettings): Job {
  const { output } = program;
  const login = LOGINS[settings.registry];
  const made = "steps.first.outcome != 'success'";
  return {
    id: 'docker',
    name: 'Image',
    needs: ['build', program.page ? 'draft' : 'attest'],
    runner: RUNNER,
    minutes: 30,
    environment: program.page ? undefined : settings.environment,
    permissions: [READ, ARTIFACTS, ...login.permissions, IDENTITY, ATTESTATIONS],
    outputs: {
      digest: expression('steps.publish.outputs.digest'),
      record: `publish-${expression('github.run_attempt')}`,
    },
    env: [
      '# Variables of the repository move the image to another registry.',
      `IMAGE: ${imageOf(program, settings.alone)}`,
      ATTEST,
      '# A signature is written into a public log, which a private repository is kept out of.',
      `SIGN: ${expression("github.event.repository.visibility == 'public' || vars.SIGN == 'true'")}`,
    ].join('\n'),
    steps: [
      ...(settings.sparse === undefined
        ? []
        : ['# No source of the program: what Nx needs to know its projects, and nothing to compile.']),
      checkout({ history: true, sparse: settings.sparse }),
      ...binaries(),
      download([
        `pattern: verify-*-${expression('needs.build.outputs.attempt')}`,
        `path: ${output}/verify`,
        'merge-multiple: true',
      ]),
      ...settings.commands.install.map(run),
      use(ACTIONS.buildx, `driver-opts: image=${BUILDKIT}\ncache-binary: false`),
      '# A later attempt publishes the image of the first: another compressor would give other bytes.',
      download(['name: oci'], { id: 'first', condition: 'github.run_attempt > 1', lenient: true }),
      step(run('tar --extract --file=oci.tar'), "steps.first.outcome == 'success'"),
      step(
        run(nx(program, 'docker-release', '--exclude-task-dependencies --skip-nx-cache --builder=buildx')),
        made,
      ),
      step(run(`tar --create --file=oci.tar ${output}/oci`), made),
      step(upload('oci', 'oci.tar'), made),
      `- id: image
  run: |
    echo "name=\${IMAGE,,}" >>"$GITHUB_OUTPUT"
    echo "digest=$(jq --exit-status --raw-output '.manifests[0].digest' ${output}/oci/index.json)" >>"$GITHUB_OUTPUT"`,
      '# Before any tag moves: an attestation that fails leaves nothing public behind.',
      use(
        ACTIONS.attest,
        [
          `subject-name: ${expression('steps.image.outputs.name')}`,
          `subject-digest: ${expression('steps.image.outputs.digest')}`,
        ].join('\n'),
        { condition: "env.ATTEST == 'true'" },
      ),
      ...login.steps,
      `- id: publish
  run: ${nx(program, 'docker-publish', '--exclude-task-dependencies --image="$NAME" --sign="$SIGN"')}
  env:
    NAME: ${expression('steps.image.outputs.name')}`,
      upload(`publish-${expression('github.run_attempt')}`, `${output}/publish/record.json`),
    ],
  };
}

function step(text: string, condition: string): string {
  return text.replace(/^- /, `- if: ${expression(condition)}\n  `);
}

function pageJob(program: ReleasedProgram, { commands }: ReleaseSettings): Job {
  const image = program.repositories !== undefined;
  return {
    id: 'release',
    name: 'Page',
    needs: ['build', image ? 'docker' : 'draft'],
    runner: RUNNER,
    minutes: 20,
    permissions: [{ name: 'contents', access: 'write', why: 'the page is published' }, ARTIFACTS],
    steps: [
      checkout({ history: true }),
      ...binaries(),
      ...(image
        ? [
            download([
              `name: ${expression('needs.docker.outputs.record')}`,
              `path: ${program.output}/publish`,
            ]),
          ]
        : []),
      ...commands.install.map(run),
      `${run(nx(program, 'github-release', '--exclude-task-dependencies'))}\n  env:\n    GITHUB_TOKEN: ${expression('secrets.GITHUB_TOKEN')}`,
    ],
  };
}
