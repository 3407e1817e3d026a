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
  ['Authorization', AUTHORIZATION_QUIRKS],
  ['Sending blobs', UPLOAD_QUIRKS],
  ['Reading, manifests and tags', CONTENT_QUIRKS],
  ['Lists of tags', TAG_QUIRKS],
  ['Referrers', REFERRERS_QUIRKS],
];

const ATTACHMENTS = {
  api: 'publishes',
  tag: 'publishes; the tag `sha256-…` lists the attachments',
  unlisted: 'publishes; attachments are stored but not listed',
  refused: 'publishes; attachments are refused, and the output says so',
} as const;

/** docs/registries.md, from the table of registries and the quirks with their outcomes. */
export function registriesPage(): string {
  return `# Registries

<!-- Generated from tools/testing/src/registry by npm run generate -->

This page says what to set for each registry, what is known about it, and how a publish ends if the registry behaves as
reported. The code knows no registry by name and reacts only to its answers, so whatever is said here about one registry
is true of any other that answers the same way.

**Tested against the real program**: ${REGISTRIES.flatMap(({ name, run }) => (run === undefined ? [] : [`${name} (${run})`])).join('; ')}.
**Everything else is only simulated**: an in-memory registry answers as the source says, and a publish to it runs a first
time, again, and with the next version. Nobody has published to the hosted registries below for this page, and none of
their programs was run.

[Publishing](publishing.md#credentials) says how credentials, certificates and proxies are found.

## Base images and mirrors

A base image is read with your login for its registry if there is one, otherwise anonymously, and only with the right to
pull. A login helps: many registries limit how much anonymous readers at one address get, and CI runners share their
addresses. What was read is kept in \`.cache/prebuilt\`, so it is fetched only once. \`REGISTRY_USERNAME\` and
\`REGISTRY_PASSWORD\` are for the registry that you push to; a base is read with them only if \`REGISTRY_HOST\` names its
registry.

\`REGISTRY_MIRRORS=mirror.example/hub,quay.io=mirror.example/quay\` names mirrors that are asked first: for Docker Hub, or for
the registry before \`=\`. If a mirror does not answer, does not have what is asked for, or sends bytes that do not match the
digest, a message says so and the next place is asked. Wrong bytes in a layer show only at its end; the layer is then read
once more, from the next place. Everything is checked against its digest, wherever it comes from. A login goes only to the
host that it is for: a mirror gets the one for its own host, if there is one.

${REGISTRIES.map(registrySection).join('\n\n')}

## What registries were seen to do

${QUIRKS.length} behaviors. Each row links to where the behavior was reported or is documented, and says how a publish ends and how
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
    ...(seen.length === 0 ? [] : [`Reported and simulated behavior. The registry:\n\n${seen.join('\n')}`]),
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
