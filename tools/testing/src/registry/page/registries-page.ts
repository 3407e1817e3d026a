import { markdownTable } from 'markdown-table';
import type { Quirk } from '../fake-registry/behavior.ts';
import {
  AUTHORIZATION_QUIRKS,
  CONTENT_QUIRKS,
  QUIRKS,
  REFERRERS_QUIRKS,
  SKOPEO_FAILS,
  TAG_QUIRKS,
  UPLOAD_QUIRKS,
} from '../quirks/index.ts';
import { type KnownRegistry, REGISTRIES } from './registries.ts';

const KINDS: readonly (readonly [title: string, quirks: readonly Quirk[]])[] = [
  ['Who may', AUTHORIZATION_QUIRKS],
  ['Sending blobs', UPLOAD_QUIRKS],
  ['Reading, manifests and tags', CONTENT_QUIRKS],
  ['Lists of tags', TAG_QUIRKS],
  ['What refers to an image', REFERRERS_QUIRKS],
];

const ATTACHMENTS = {
  api: 'publishes',
  tag: 'publishes; the tag `sha256-…` lists what is attached',
  unlisted: 'publishes; what is attached is there and not listed',
  refused: 'publishes; what would be attached is refused, and said',
} as const;

/** docs/registries.md, from the table of registries and the quirks with their outcomes. */
export function registriesPage(): string {
  return `# Registries

<!-- Generated from tools/testing/src/registry by npm run generate -->

What to set for each registry, what is known about it, and how a publish ends at a registry that behaves as reported. The code
knows no registry by its name: what it answers decides, so what is said about one holds for any other that answers alike.

**Tested against the real program**: ${REGISTRIES.flatMap(({ name, run }) => (run === undefined ? [] : [`${name} (${run})`])).join('; ')}.
**Everything else is only simulated**: a registry in memory answers as the source says, and a publish to it runs a first time,
again, and with the next version. Nobody has published to the hosted registries below for this page, and none of their
programs was run.

How credentials, certificates and proxies are found is in [publishing](publishing.md#credentials).

## Base images and mirrors

A base image is read with the right to pull alone, with your login for its registry if there is one, otherwise anonymously:
many registries limit how much anonymous readers at one address get, and CI runners share their addresses. What was read is
kept in \`.cache/prebuilt\`, so it is fetched once. \`REGISTRY_USERNAME\` and \`REGISTRY_PASSWORD\` are for the registry that is
pushed to; a base is read with them only where \`REGISTRY_HOST\` names its registry.

\`REGISTRY_MIRRORS=mirror.example/hub,quay.io=mirror.example/quay\` names places that are asked first: for Docker Hub, or for
the registry before \`=\`. The next place is asked, with a message, where a mirror does not answer, does not have what is
asked for, or sends other bytes than those of the digest. That the bytes of a layer are others shows at its end: the layer
is then read once more, from the next place. Everything is held against its digest, wherever it comes from. A login goes to
the host it is for and to no other: a mirror gets that of its own host, if there is one.

${REGISTRIES.map(registrySection).join('\n\n')}

## What registries were seen to do

${QUIRKS.length} behaviors, each with where it was reported or is documented, how a publish ends, and how
\`skopeo copy\` (Debian’s 1.9.3) ends at the same simulated registry within half a minute.

${KINDS.map(kindSection).join('\n\n')}
`;
}

function registrySection({ name, set, known, quirks, run }: KnownRegistry): string {
  const seen = quirks.map((quirk) => {
    const { outcome, source } = quirkOf(quirk);
    return `- [${quirk}](${source}): ${outcomeOf(outcome)}`;
  });
  return [
    `## ${name}`,
    run === undefined ? 'Only simulated.' : 'Run against the real program.',
    set.map((each) => `- ${each}`).join('\n'),
    ...(known.length === 0 ? [] : [known.join(' ')]),
    ...(seen.length === 0 ? [] : [`Reported of it, and simulated; it\n\n${seen.join('\n')}`]),
  ].join('\n\n');
}

function kindSection([title, quirks]: (typeof KINDS)[number]): string {
  const rows = quirks.map(({ name, source, outcome }) => [
    `[${name}](${source})`,
    outcomeOf(outcome),
    SKOPEO_FAILS.has(name) ? 'fails' : 'copies',
  ]);
  const table = markdownTable([['the registry', 'a publish', 'skopeo'], ...rows], { alignDelimiters: false });
  return `### ${title}\n\n${table}`;
}

function outcomeOf(outcome: Quirk['outcome']): string {
  if (outcome?.error === undefined) return ATTACHMENTS[outcome?.attachment ?? 'api'];
  const { code, why } = outcome.error;
  return `\`${code}\`${why === undefined ? '' : `: ${why}`}`;
}

/** Throws for a name that no quirk has. */
function quirkOf(name: string): Quirk {
  const found = QUIRKS.find((quirk) => quirk.name === name);
  if (found === undefined) throw new Error(`registries.ts: no quirk is named ${JSON.stringify(name)}`);
  return found;
}
