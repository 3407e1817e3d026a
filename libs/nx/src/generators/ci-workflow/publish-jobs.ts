import { ACTIONS, BUILDKIT } from './actions.ts';
import { ARTIFACTS, binaries, checkout, download, nx, READ, RUNNER, upload } from './job-steps.ts';
import { LOGINS } from './registries.ts';
import type { ReleasedProgram, ReleaseSettings } from './release-settings.ts';
import { expression, indented, type Job, type Permission, run, use } from './workflow-text.ts';

/** GitHub stores attestations for public repositories, but for private ones only with Enterprise Cloud. */
const ATTEST = `ATTEST: ${expression("github.event.repository.visibility == 'public' || vars.ATTEST == 'true'")}`;

const IDENTITY: Permission = {
  name: 'id-token',
  access: 'write',
  why: 'to sign and attest as this job',
};
const ATTESTATIONS: Permission = {
  name: 'attestations',
  access: 'write',
  why: 'to store attestations on GitHub',
};

/** The name of the checksums' signature, both as an artifact and as a subfolder of the program's output. */
const SIGNATURE = 'signature';

/** Runs a target for the release page, whose notes mention attestations if there are any. */
function pageStep(program: ReleasedProgram, target: string): string {
  const env = [
    `GITHUB_TOKEN: ${expression('secrets.GITHUB_TOKEN')}`,
    `ATTEST: ${expression('needs.attest.outputs.signed')}`,
  ];
  return `${run(nx(program, target, '--exclude-task-dependencies'))}\n  env:\n${indented(env.join('\n'), 4)}`;
}

/** Downloads the signature of the checksums, if there is one. */
function signature({ output }: ReleasedProgram): string {
  return download([`name: ${SIGNATURE}`, `path: ${output}/${SIGNATURE}`], {
    condition: "needs.attest.outputs.signed == 'true'",
  });
}

/** Attests the executables and, for the page, their checksums before anything is published. */
export function attestJob({ output, page }: ReleasedProgram): Job {
  const attests = "env.ATTEST == 'true'";
  const signs = `${attests} && steps.first.outcome != 'success'`;
  const bundle = 'checksums.txt.sigstore.json';
  return {
    id: 'attest',
    name: 'Attest',
    needs: ['build', 'verify'],
    runner: RUNNER,
    minutes: 10,
    permissions: [ARTIFACTS, IDENTITY, ATTESTATIONS],
    ...(page ? { outputs: { signed: expression('env.ATTEST') } } : {}),
    env: `# Decided before anything is published, since a private repository may have no attestations.\n${ATTEST}`,
    steps: [
      ...binaries(),
      use(ACTIONS.attest, `subject-checksums: ${output}/bin/checksums.txt`, {
        condition: attests,
      }),
      ...(page
        ? [
            '# The page gets a signature of its checksums. Later attempts reuse the first, since every signature differs.',
            download([`name: ${SIGNATURE}`], {
              id: 'first',
              condition: `${attests} && github.run_attempt > 1`,
              lenient: true,
            }),
            use(ACTIONS.attest, `subject-path: ${output}/bin/checksums.txt`, {
              id: SIGNATURE,
              condition: signs,
            }),
            `${step(run(`cp "$BUNDLE" ${bundle}`), signs)}\n  env:\n    BUNDLE: ${expression('steps.signature.outputs.bundle-path')}`,
            step(upload(SIGNATURE, bundle), signs),
          ]
        : []),
      `- if: ${expression("env.ATTEST != 'true'")}\n  run: echo 'Not attested. To attest, set the variable ATTEST to true.' >>"$GITHUB_STEP_SUMMARY"`,
    ],
  };
}

/** Creates the draft of the page. */
export function draftJob(program: ReleasedProgram, { commands, environment }: ReleaseSettings): Job {
  return {
    id: 'draft',
    name: 'Draft',
    needs: ['build', 'attest'],
    runner: RUNNER,
    minutes: 30,
    environment,
    permissions: [
      { name: 'contents', access: 'write', why: 'to create the draft of the release page' },
      ARTIFACTS,
    ],
    steps: [
      checkout({ history: true }),
      ...binaries(),
      signature(program),
      ...commands.install.map(run),
      pageStep(program, 'github-draft'),
    ],
  };
}

/** The expression for the image's repositories. */
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

/** Builds the image, attests its digest, and publishes it. */
export function imageJob(program: ReleasedProgram, settings: ReleaseSettings): Job {
  const { output } = program;
  const login = LOGINS[settings.registry];
  // ghcr.io links an image to the repository in this label.
  const source = program.source ? [] : ['--imageSource="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"'];
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
      '# Repository variables can move the image to another registry.',
      `IMAGE: ${imageOf(program, settings.alone)}`,
      ATTEST,
      '# Signatures are recorded in a public log, so private repositories are excluded by default.',
      `SIGN: ${expression("github.event.repository.visibility == 'public' || vars.SIGN == 'true'")}`,
    ].join('\n'),
    steps: [
      ...(settings.sparse === undefined
        ? []
        : [
            "# Without the program's sources: only what Nx needs to find its projects, and nothing to compile.",
          ]),
      checkout({ history: true, sparse: settings.sparse }),
      ...binaries(),
      download([
        `pattern: verify-*-${expression('needs.build.outputs.attempt')}`,
        `path: ${output}/verify`,
        'merge-multiple: true',
      ]),
      ...settings.commands.install.map(run),
      use(ACTIONS.buildx, `driver-opts: image=${BUILDKIT}\ncache-binary: false`),
      "# Later attempts publish the first attempt's image, since another compressor would produce different bytes.",
      download(['name: oci'], { id: 'first', condition: 'github.run_attempt > 1', lenient: true }),
      step(run('tar --extract --file=oci.tar'), "steps.first.outcome == 'success'"),
      step(
        run(
          nx(
            program,
            'docker-release',
            '--exclude-task-dependencies --skip-nx-cache --builder=buildx',
            ...source,
          ),
        ),
        made,
      ),
      step(run(`tar --create --file=oci.tar ${output}/oci`), made),
      step(upload('oci', 'oci.tar'), made),
      `- id: image
  run: |
    names=\${IMAGE,,}
    echo "names=$names" >>"$GITHUB_OUTPUT"
    echo "first=\${names%%,*}" >>"$GITHUB_OUTPUT"
    echo "digest=$(jq --exit-status --raw-output '.manifests[0].digest' ${output}/oci/index.json)" >>"$GITHUB_OUTPUT"`,
      '# Before any tag moves, so that nothing is public if the attestation fails.',
      use(
        ACTIONS.attest,
        [
          `subject-name: ${expression('steps.image.outputs.first')}`,
          `subject-digest: ${expression('steps.image.outputs.digest')}`,
        ].join('\n'),
        { condition: "env.ATTEST == 'true'" },
      ),
      ...login.steps,
      `- id: publish
  run: ${nx(program, 'docker-publish', '--exclude-task-dependencies --image="$NAMES" --sign="$SIGN"', ...source)}
  env:
    NAMES: ${expression('steps.image.outputs.names')}`,
      upload(`publish-${expression('github.run_attempt')}`, `${output}/publish/record.json`),
    ],
  };
}

function step(text: string, condition: string): string {
  return text.replace(/^- /, `- if: ${expression(condition)}\n  `);
}

/** Publishes the page. */
export function pageJob(program: ReleasedProgram, { commands }: ReleaseSettings): Job {
  const image = program.repositories !== undefined;
  return {
    id: 'release',
    name: 'Page',
    needs: ['build', 'attest', image ? 'docker' : 'draft'],
    runner: RUNNER,
    minutes: 20,
    permissions: [{ name: 'contents', access: 'write', why: 'to publish the page' }, ARTIFACTS],
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
      signature(program),
      ...commands.install.map(run),
      pageStep(program, 'github-release'),
    ],
  };
}
