import { CHECKSUMS_FILE } from '../artifacts/checksums.ts';
import type { PublishRecord } from '../artifacts/publish-record.ts';
import { SIGNATURE_FILE } from '../artifacts/signature.ts';
import { tableLines } from './table.ts';

/** A commit since the previous release: its hash, the first line of its message, and the rest of it. */
export interface Commit {
  readonly hash: string;
  readonly subject: string;
  readonly body: string;
}

/** What the release notes are written from. */
export interface NotesFacts {
  /** The release's git tag. */
  readonly tag: string;
  /** `owner/name`. */
  readonly repository: string;
  readonly previousTag: string | undefined;
  /** Since the previous tag, newest first. */
  readonly commits: readonly Commit[];
  /** What changed, as Markdown, if it has already been written; it replaces the list of commits. */
  readonly changelog: string | undefined;
  readonly assets: readonly { readonly name: string; readonly size: number; readonly sha256: string }[];
  /** Whether the program has an image. */
  readonly image: boolean;
  /** Undefined until the image is published. */
  readonly record: PublishRecord | undefined;
  /**
   * Whether a workflow attested the files and the image; a release made on a developer's machine has no attestations.
   */
  readonly attested: boolean;
  /** The file of the release workflow, which signs the image, relative to the repository root. */
  readonly workflow: string;
}

const BREAKING = 'Breaking changes';
const OTHER = 'Other changes';
const GROUPS: Readonly<Record<string, string>> = {
  feat: 'Features',
  fix: 'Fixes',
  perf: 'Performance',
  docs: 'Documentation',
};
const ORDER = [BREAKING, ...Object.values(GROUPS), OTHER];
const LONGEST_SUBJECT = 300;
// An image is signed by https://docs.github.com/actions/reference/security/oidc and the workflow at the release's tag.
const ISSUER = 'https://token.actions.githubusercontent.com';
// GitHub allows 125,000 characters of release notes; the tables take a few thousand of them.
const LONGEST_CHANGES = 100_000;

/**
 * The release notes as Markdown: the commits grouped by https://www.conventionalcommits.org/en/v1.0.0/ (one flat list
 * if none of them follows it), the image by digest, the files with size and SHA-256, and how to verify them.
 */
export function formatNotes(facts: NotesFacts): string {
  return [...changes(facts), ...image(facts), ...files(facts), ...verification(facts)].join('\n');
}

function changes({ previousTag, commits, changelog }: NotesFacts): readonly string[] {
  const title = previousTag === undefined ? '## Changes' : `## Changes since ${previousTag}`;
  if (changelog !== undefined) return [title, '', ...limited(changelog.split('\n')), ''];
  if (commits.length === 0) return [title, '', 'No commits.', ''];
  const described = commits.map(describe);
  const lines: string[] = [];
  if (described.every(({ group }) => group === OTHER)) {
    lines.push(...described.map(({ line }) => line), '');
  } else {
    for (const group of ORDER) {
      const members = described.filter((each) => each.group === group);
      if (members.length > 0) lines.push(`### ${group}`, '', ...members.map(({ line }) => line), '');
    }
  }
  return [title, '', ...limited(lines)];
}

function limited(lines: readonly string[]): readonly string[] {
  let length = 0;
  const fitting = lines.filter((line) => {
    length += line.length + 1;
    return length <= LONGEST_CHANGES;
  });
  const left = lines.length - fitting.length;
  return left === 0 ? lines : [...fitting, '', `… and ${left} more lines`, ''];
}

function describe({ hash, subject, body }: Commit): { readonly group: string; readonly line: string } {
  const match = /^([A-Za-z]+)(?:\(([^()]+)\))?(!)?: +(.+)$/.exec(subject);
  const known = match?.[1] === undefined ? undefined : GROUPS[match[1].toLowerCase()];
  const breaking = match?.[3] !== undefined || /^BREAKING[ -]CHANGE: /m.test(body);
  const group = breaking ? BREAKING : (known ?? OTHER);
  const scope = match?.[2];
  const text =
    match === null || (known === undefined && !breaking)
      ? escapeMarkdown(subject)
      : `${scope === undefined ? '' : `**${escapeMarkdown(scope)}**: `}${escapeMarkdown(match[4] ?? subject)}`;
  return { group, line: `- ${text} (${hash})` };
}

/** Escapes text so that Markdown shows it literally, on one line, and GitHub notifies nobody. */
export function escapeMarkdown(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  const cut = line.length > LONGEST_SUBJECT ? `${line.slice(0, LONGEST_SUBJECT)}…` : line;
  return cut
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/[\\`*_[\]|~!]/g, String.raw`\$&`)
    .replaceAll('@', '@<!-- -->');
}

function image({ image: has, record }: NotesFacts): readonly string[] {
  if (!has) return [];
  if (record === undefined) return ['## Image', '', 'Not published yet.', ''];
  const tags = (repository: string): string =>
    record.images
      .filter((each) => each.repository === repository)
      .flatMap((each) => each.tags.filter(({ outcome }) => outcome !== 'left').map(({ tag }) => `\`${tag}\``))
      .join(', ');
  return [
    '## Image',
    '',
    ...tableLines(
      ['image', 'platform', 'tags'],
      record.images.flatMap((each) => [
        [`\`${each.reference}\``, 'all', tags(each.repository)],
        ...each.platforms.map(({ platform, digest }) => [`\`${each.repository}@${digest}\``, platform, '']),
      ]),
    ),
    '',
    ...reducedProofs(record),
  ];
}

// The images are the same in every repository.
function reducedProofs({ images: [image] }: PublishRecord): readonly string[] {
  const lines = (image?.platforms ?? []).flatMap(({ platform, reducedProof }) => {
    if (reducedProof === undefined) return [];
    const because = reducedProof.because.map(escapeMarkdown).join(', ');
    return [
      `- ${platform}: building it executed something (${because}). It contains the program's own files byte for byte; ${reducedProof.unprovenFiles} other files were not compared with anything.`,
    ];
  });
  return lines.length === 0 ? [] : [...lines, ''];
}

function files({ assets }: NotesFacts): readonly string[] {
  return [
    '## Files',
    '',
    ...tableLines(
      ['file', '>bytes', 'SHA-256'],
      assets.map(({ name, size, sha256 }) => [name, size, `\`${sha256}\``]),
    ),
    '',
  ];
}

function verification({
  repository,
  tag,
  record,
  assets,
  attested,
  workflow,
}: NotesFacts): readonly string[] {
  const executable = assets[0]?.name ?? '';
  const images = record?.images ?? [];
  const references = images.map(({ reference }) => reference);
  const signed = images.flatMap(({ reference, signature }) =>
    signature?.outcome === 'attached' ? [reference] : [],
  );
  const identity = [
    `  --certificate-oidc-issuer ${ISSUER} \\`,
    `  --certificate-identity https://github.com/${repository}/${workflow}@refs/tags/${tag}`,
  ];
  const checksums = assets.some(({ name }) => name === SIGNATURE_FILE)
    ? [
        `cosign verify-blob-attestation ${CHECKSUMS_FILE} --bundle ${SIGNATURE_FILE} --type slsaprovenance1 \\`,
        ...identity,
      ]
    : [];
  return [
    '## Verify',
    '',
    '```sh',
    ...checksums,
    'sha256sum --check --ignore-missing checksums.txt',
    ...(attested ? [executable, ...references.map((reference) => `oci://${reference}`)] : []).map(
      (subject) => `gh attestation verify ${subject} --repo ${repository}`,
    ),
    ...signed.flatMap((reference) => [`cosign verify ${reference} \\`, ...identity]),
    '```',
    '',
  ];
}
