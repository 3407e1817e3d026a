import { compareDocuments, platformName } from '@prebuilt/oci';
import { requirePassingReport } from '../../artifacts/verify-report.ts';
import { PrebuiltError } from '../../errors.ts';
import { checkCompleteness } from '../../image/completeness.ts';
import { layoutRecord, requireLayoutRecord } from '../../image/layout-record.ts';
import { requireFullProof } from '../../image/merged-proof.ts';
import { refuseDifferences } from '../../image/proof.ts';
import type { LocalFacts } from './facts.ts';
import type { DockerPublishOptions } from './options.ts';

/** The options that say what must be attached. */
export type AttachmentChoices = Pick<
  DockerPublishOptions,
  'sbom' | 'sbomPath' | 'requireSbom' | 'sign' | 'requireSignature'
>;

/** The options that can forbid publishing. */
export type ReleaseChoices = AttachmentChoices & Pick<DockerPublishOptions, 'requireFullProof'>;

/**
 * Checks what is on disk before any registry is contacted. Refuses a development build, a build of a version other than
 * the requested one, an image whose platforms differ from the manifest's, a platform without a passing report for this
 * manifest, an image configuration or manifest that does not follow from the Dockerfile and manifest.json, an image
 * made from a different plan, an image that can only be partially proven if full proof is required, and a required
 * attachment that there is nothing to make from.
 */
export function checkLocalFacts(local: LocalFacts, choices: ReleaseChoices): void {
  checkAttachments(local, choices);
  if (choices.requireFullProof) {
    requireFullProof([...local.expected.values()].flatMap(({ unplanned }) => unplanned?.because ?? []));
  }
  checkVersion(local);
  checkPlatforms(local);
  checkDocuments(local);
}

function checkAttachments({ sboms }: LocalFacts, choices: AttachmentChoices): void {
  if (choices.requireSignature && !choices.sign) {
    throw new PrebuiltError('INVALID_OPTIONS', 'require-signature: needs --sign too, found none');
  }
  if (!choices.requireSbom) return;
  if (!choices.sbom)
    throw new PrebuiltError('INVALID_OPTIONS', "require-sbom: can't be combined with --no-sbom");
  if (sboms.length > 0) return;
  throw new PrebuiltError(
    'SBOM',
    `${choices.sbomPath}: expected bills of materials (*.cdx.json) for --require-sbom, found none`,
    { hint: 'Create them first: {run sbom}' },
  );
}

function checkVersion({ manifest, wanted, layout }: LocalFacts): void {
  if (wanted.development) {
    throw new PrebuiltError(
      'VERSION',
      `version: expected a release, found the development build ${manifest.version}`,
      {
        hint: 'Tag the commit, or set RELEASE_VERSION=1.2.3, and build it again: {run build-binaries}',
      },
    );
  }
  const found = [
    manifest.version,
    ...layout.images.map(({ config }) => config.config?.Labels?.['org.opencontainers.image.version']),
  ];
  if (found.every((version) => version === wanted.version)) return;
  const other = found.find((version) => version !== wanted.version);
  throw new PrebuiltError(
    'VERSION',
    `version: expected ${wanted.version} in manifest and image, found ${other ?? 'none'}`,
    {
      hint: 'The build has a different version: build it again ({run build-binaries}), or unset RELEASE_VERSION.',
    },
  );
}

function checkPlatforms({ layout, manifest, manifestSha256, reports, verifyPath }: LocalFacts): void {
  if (layout.index === undefined) {
    throw new PrebuiltError('PUBLISH', `${layout.folder}: expected an image index, found a single manifest`);
  }
  const built = manifest.platforms.map(({ platform }) => platform).sort();
  const packaged = layout.images.map(({ platform }) => platformName(platform)).sort();
  if (built.join() !== packaged.join()) {
    throw new PrebuiltError(
      'PUBLISH',
      `${layout.folder}: expected ${built.join(', ')}, as in manifest.json, found ${packaged.join(', ')}`,
      { hint: 'Build the image for all platforms: {run docker-release}' },
    );
  }
  for (const artifact of manifest.platforms) {
    const file = reports.find(({ report }) => report.platform === artifact.platform);
    requirePassingReport(file?.report, artifact, manifestSha256, verifyPath);
  }
}

// The content of the layers is checked when they are read back.
function checkDocuments({ layout, manifest, manifestSha256, expected, lists, bases }: LocalFacts): void {
  const refusal = {
    code: 'PUBLISH',
    subject: `${layout.folder}: is not the image that was planned`,
    hint: 'Build it again ({run docker-release}), with the same Dockerfile and label options as here.',
  } as const;
  for (const image of layout.images) {
    const platform = platformName(image.platform);
    const planned = expected.get(platform);
    const artifact = manifest.platforms.find((each) => each.platform === platform);
    const known = lists.get(platform);
    if (planned === undefined || known === undefined || artifact === undefined) continue;
    checkCompleteness(artifact, planned, known, bases.get(artifact.platform));
    refuseDifferences(platform, compareDocuments(planned, image), refusal);
  }
  requireLayoutRecord(
    layout,
    layoutRecord(manifestSha256, [...expected.values()], layout.root.digest),
    refusal,
  );
}
