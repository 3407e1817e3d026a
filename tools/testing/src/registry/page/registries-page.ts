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
  ['Authentication', AUTHORIZATION_QUIRKS],
  ['Uploading blobs', UPLOAD_QUIRKS],
  ['Reads, manifests and tags', CONTENT_QUIRKS],
  ['Tag lists', TAG_QUIRKS],
  ['Referrers', REFERRERS_QUIRKS],
];

const ATTACHMENTS = {
  api: 'publishes',
  tag: 'publishes; the tag `sha256-…` lists the attachments',
  unlisted: 'publishes; attachments are stored, but not listed',
  refused: 'publishes; attachments are refused, which is reported',
} as const;

/** Generates docs/registries.md from the table of registries and the quirks with their outcomes. */
export function registriesPage(): string {
  return `# Registries

<!-- Generated from tools/testing/src/registry by npm run generate -->

What to set up for each registry, what is known about it, and how a publish ends at a registry that behaves as reported. The
code never looks at a registry’s name, only at its answers, so what applies to one applies to any other that answers alike.

**Tested against the real program**: ${REGISTRIES.flatMap(({ name, run }) => (run === undefined ? [] : [`${name} (${run})`])).join('; ')}.
**Everything else is only simulated**: an in-memory registry answers as the linked source describes, and is published to a
first time, again, and with the next version. For this page, nothing was published to the hosted registries below, and none
of their programs was run.

See [publishing](publishing.md#credentials) for how credentials, certificates and proxies are found.

## Base images and mirrors

A base image is read with pull permission only, with your login for its registry if there is one, otherwise anonymously:
many registries limit anonymous reads per address, and CI runners share their addresses. What was read is
kept in \`.cache/prebuilt\`, so it is fetched once. \`REGISTRY_USERNAME\` and \`REGISTRY_PASSWORD\` are for the registry that is
pushed to; a base is read with them only if \`REGISTRY_HOST\` names its registry.

\`REGISTRY_MIRRORS=mirror.example/hub,quay.io=mirror.example/quay\` lists places to ask first: for Docker Hub, or for
the registry before \`=\`. The next place is asked, with a message, if a mirror does not answer, does not have the content, or
sends bytes that do not match the digest. For a layer, this shows only at its end, and it is then read again from the next
place. Everything is checked against its digest, wherever it comes from. A login is sent only to the host that it is for: a
mirror gets the login for its own host, if there is one.

${REGISTRIES.map(registrySection).join('\n\n')}

## Observed registry behavior

${QUIRKS.length} behaviors, each with a link to its report or documentation, how a publish ends, and how
\`skopeo copy\` (Debian’s 1.9.3) ends within half a minute at the same simulated registry.

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
    run === undefined ? 'Only simulated.' : 'Tested against the real program.',
    set.map((each) => `- ${each}`).join('\n'),
    ...(known.length === 0 ? [] : [known.join(' ')]),
    ...(seen.length === 0 ? [] : [`Reported behavior, simulated here; it\n\n${seen.join('\n')}`]),
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

/** Finds a quirk by name. Throws if there is none. */
function quirkOf(name: string): Quirk {
  const found = QUIRKS.find((quirk) => quirk.name === name);
  if (found === undefined) throw new Error(`registries.ts: there is no quirk named ${JSON.stringify(name)}`);
  return found;
}
