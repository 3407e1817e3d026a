import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  defaultOf,
  ENDPOINTS,
  ERROR_CODES,
  EXECUTORS,
  FLAGS,
  GENERATORS,
  KEYS,
  METRICS,
  numberIn,
  ownTargets,
  PLUGIN_OPTIONS,
  REASONS,
  SCRIPTS,
  TARGETS,
  TOOLCHAINS,
  variablesIn,
} from './facts.ts';
import {
  anchorsOf,
  inlineCode,
  linksOf,
  ROOT,
  readPages,
  repositoryFiles,
  shellLines,
  withFolders,
} from './pages.ts';
import { SECTIONS } from './site-pages.ts';

const files = repositoryFiles();
const pages = readPages(files);
const names = pages.map((page) => [page.path, page] as const);
const known = withFolders(files);
/** Everything that is not a page: each name on a page must appear in it. */
const sources = files
  .filter((path) => /\.(ts|cjs|json|ya?ml|tpl|toml|go|rs)$|(^|\/)(run|bootstrap|Dockerfile[^/]*)$/.test(path))
  .filter((path) => !/package-lock\.json$|^tools\/docs\/|^cspell/.test(path))
  .map((path) => readFileSync(join(ROOT, path), 'utf8'))
  .join('\n');
const words = new Set(sources.match(/\w+/g));
const prose = pages.map(({ text }) => text).join('\n');

/** Names of other programs that look like names in this repository. */
const FOREIGN = new Set([
  // The Go program
  ...['MOUNT_PATHS', 'debounce-threshold'],
  // Prometheus
  ...['job_name', 'static_configs'],
  // rclone, docker, git, umoci
  ...[
    'vfs-cache-mode',
    'vfs-cache-max-age',
    'dir-cache-time',
    'allow-other',
    'platform',
    'chown',
    'chmod',
    'from',
  ],
  ...['new-bundle-format', 'privileged', 'cgroupns'],
  // FUSE, NFS, npm
  ...['user_allow_other', 'root_squash', 'NPM_CONFIG_PROVENANCE'],
  // The Go program in docs/migration.md: its older flags, a field of its log, and a path that it normalizes.
  ...['canary-file', 'check-interval', 'read-timeout', 'shutdown-timeout', 'failure-threshold', 'mount_path'],
  '/healthz/../healthz/live',
  // Keys of the tools in docs/coming-from.md.
  ...['snapshot', 'project_name', 'mod_timestamp', 'docker_manifests', 'docker_signs', 'universal_binaries'],
  // The folder of the example program.
  'apps/server',
  // Targets in the workspaces that the bench creates.
  ...['bench:nothing', 'bench:nothing-at-last'],
]);

/** Targets of this workspace other than those inferred from a prebuilt.json. */
const OWN_TARGETS = new Set(ownTargets(files));
const GENERAL_TARGETS = ['test', 'lint', 'typecheck', 'build', 'pack'];

/** The values listed after a flag, up to the next flag, or after `=`. */
const listed = (command: string, flags: RegExp): readonly string[] =>
  flags
    .exec(command)?.[1]
    ?.trim()
    .split(/[\s,]+/) ?? [];

const camel = (name: string): string =>
  name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

const unknown = (options: readonly string[], line: string): readonly string[] =>
  [...line.matchAll(/(?<=\s)--([a-zA-Z-]+)/g)]
    .map(([, name]) => name ?? '')
    .filter((name) => !['dry-run', 'skip-nx-cache', 'verbose', 'help', ...options].includes(name))
    .filter((name) => !options.includes(camel(name)) && !options.includes(camel(name.replace(/^no-/, ''))));

/** The problems with a command of this workspace or of the plugin; empty for any other command. */
function problemsOf(command: string): readonly string[] {
  const script = /^(?:[A-Z_]+=\S* )*npm run (?:--silent )?([\w:-]+)(?=$|\s)(.*)/.exec(command);
  if (script !== null) {
    const [, name = '', rest = ''] = script;
    const workspace = /(?:-w|--workspace)[ =](\S+)/.exec(rest)?.[1];
    const manifest = workspace === undefined ? 'package.json' : `apps/${workspace}/package.json`;
    const { scripts } = JSON.parse(readFileSync(join(ROOT, manifest), 'utf8'));
    return name in scripts ? [] : [`${manifest} has no script ${name}`];
  }
  const generator = /nx g @prebuilt\/nx:([\w-]+)(.*)/.exec(command);
  if (generator !== null) {
    const [, name = '', rest = ''] = generator;
    const options = GENERATORS.get(name);
    if (name === 'NAME') return [];
    if (options === undefined) return [`there is no generator ${name}`];
    return unknown(options, rest).map((option) => `the generator ${name} has no option --${option}`);
  }
  const run = /nx run ([\w<>@/-]+):([\w-]+)(.*)/.exec(command);
  if (run !== null) {
    const [, project = '', target = '', rest = ''] = run;
    if (FOREIGN.has(`${project}:${target}`) || OWN_TARGETS.has(`${project}:${target}`)) return [];
    const executor = TARGETS.get(target);
    if (executor === undefined) return [`there is no target ${target}`];
    const options = EXECUTORS.get(executor) ?? [];
    return unknown([...options, 'exclude-task-dependencies'], rest).map(
      (option) => `the target ${target} has no option --${option}`,
    );
  }
  if (/\bnx (run-many|affected)\b/.test(command)) {
    const targets = listed(command, / (?:-t|--targets?)[ =]([\w, -]+?)(?= --| -|$)/);
    const all = [...TARGETS.keys(), ...GENERAL_TARGETS];
    return targets.filter((name) => !all.includes(name)).map((name) => `there is no target ${name}`);
  }
  const own = /(?:^|&& |\.\/|\w\/)(bootstrap|mount-monitor(?::[\w.]+)?)(?= )(.*)/.exec(command);
  if (own !== null && !command.startsWith('kubectl') && !command.startsWith('helm')) {
    const [, program = '', rest = ''] = own;
    const flags = [...rest.matchAll(/(?<=\s)--([a-z-]+)/g)].map(([, name]) => name ?? '');
    const has = (name: string): boolean =>
      program === 'bootstrap' ? sources.includes(`--${name}`) : FLAGS.includes(name);
    return flags.filter((name) => !has(name)).map((name) => `${program} has no flag --${name}`);
  }
  return [];
}

describe.each(names)('%s', (path, page) => {
  it('a page links only to pages, headings, files and pictures that exist', () => {
    const problems = linksOf(page).flatMap(({ target, path: file, anchor }) => {
      if (file === undefined) return [];
      if (file !== '' && !known.has(file) && file !== '.') return [`${target}: there is no ${file}`];
      if (anchor === undefined) return [];
      const anchors = anchorsOf(readFileSync(join(ROOT, file), 'utf8'));
      return anchors.includes(anchor) ? [] : [`${target}: ${file} has no such heading`];
    });
    expect(problems).toEqual([]);
  });

  it('a page mentions only commands, targets and options that exist', () => {
    const commands = [...shellLines(page.text), ...inlineCode(page.text)];
    expect(commands.flatMap((command) => problemsOf(command).map((why) => `${command}: ${why}`))).toEqual([]);
  });

  it('a page mentions only files and folders that exist', () => {
    const paths = [...inlineCode(page.text), ...shellLines(page.text).flatMap((line) => line.split(/\s+/))]
      .map((code) => code.replace(/:\d+$/, '').replace(/\/$/, ''))
      .filter((code) =>
        /^(apps|libs|tools|docs|deploy|chart|examples|bench|\.github|\.ci)\/[\w./-]+$/.test(code),
      );
    const missing = paths.filter(
      (each) => !FOREIGN.has(each) && !known.has(each) && !known.has(posix.join(posix.dirname(path), each)),
    );
    expect(missing).toEqual([]);
  });

  it('a page mentions only options that exist', () => {
    const all = new Set([...EXECUTORS.values(), ...GENERATORS.values()].flat());
    const options = inlineCode(page.text)
      .filter((code) => !code.includes(' '))
      .flatMap((code) => /^--([a-zA-Z-]+)/.exec(code)?.[1] ?? []);
    const missing = options.filter(
      (name) =>
        !FLAGS.includes(name) &&
        !all.has(name) &&
        !all.has(camel(name)) &&
        !all.has(camel(name.replace(/^no-/, ''))) &&
        !FOREIGN.has(name) &&
        !sources.includes(`--${name}`),
    );
    expect(missing).toEqual([]);
  });

  it('a page mentions only variables, metrics, endpoints, reasons and error codes that exist', () => {
    const code = inlineCode(page.text);
    const upper = code.flatMap((each) => /^\$?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=|$)/.exec(each)?.[1] ?? []);
    const lower = code.flatMap((each) => /^([a-z]+(?:_[a-z]+)+)(?:\{|$)/.exec(each)?.[1] ?? []);
    const paths = code.filter((each) => /^\/(healthz|metrics|version)/.test(each) && !each.includes('*'));
    expect({
      names: [...upper, ...lower].filter((name) => !words.has(name) && !FOREIGN.has(name)),
      metrics: lower.filter((name) => name.startsWith('mount_monitor_') && !METRICS.includes(name)),
      endpoints: paths.filter((each) => !ENDPOINTS.includes(each) && !FOREIGN.has(each)),
    }).toEqual({ names: [], metrics: [], endpoints: [] });
  });
});

describe('the documentation', () => {
  const errors = pages.find(({ path }) => path === 'docs/reference/errors.md')?.text ?? '';
  const targets = pages.find(({ path }) => path === 'docs/reference/targets.md')?.text ?? '';
  const has = (name: string): boolean => new RegExp(`\`[^\`\n]*\\b${name}\\b[^\`\n]*\``).test(prose);

  it('the documentation has a heading for each error code, which the terminal links to', () => {
    expect(ERROR_CODES.length).toBeGreaterThan(60);
    const anchors = anchorsOf(errors);
    expect(ERROR_CODES.filter((code) => !anchors.includes(code.toLowerCase()))).toEqual([]);
  });

  it('the documentation has only one heading per error code', () => {
    expect(anchorsOf(errors).filter((anchor) => /-\d+$/.test(anchor))).toEqual([]);
  });

  it.each([
    ['executor', EXECUTORS],
    ['generator', GENERATORS],
  ])('the documentation lists the options of each %s in the reference', (_, all) => {
    for (const [name, options] of all) {
      const section = new RegExp(`^### ${name}\n(.*?)(?=^##|(?![^]))`, 'ms').exec(targets)?.[1] ?? '';
      expect(
        options.filter((option) => !section.includes(`| \`${option}\` |`)),
        name,
      ).toEqual([]);
    }
  });

  it.each([...TOOLCHAINS])(
    'lists all the options of the toolchain %s on its page, and no others',
    (name, options) => {
      const page = pages.find(({ path }) => path === `docs/toolchains/${name}.md`)?.text ?? '';
      const table = /^\| option \|.*?(?=\n\n)/ms.exec(page)?.[0] ?? '';
      const rows = [...table.matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, cell = '']) => cell.split(', '));
      expect(rows.toSorted()).toEqual(options.map((option) => `\`${option}\``).toSorted());
    },
  );

  it.each([...TOOLCHAINS.keys()])('the documentation leads to the page of the toolchain %s', (name) => {
    const source = `docs/toolchains/${name}.md`;
    const readme = pages.find(({ path }) => path === 'README.md');
    const plugin = pages.find(({ path }) => path === 'libs/nx/README.md')?.text ?? '';
    expect(readme === undefined ? [] : linksOf(readme).map(({ path }) => path)).toContain(source);
    expect(plugin).toContain(`\n| \`${name}\` | `);
    expect(SECTIONS.flatMap((section) => section.pages.map((page) => page.source))).toContain(source);
  });

  it('the documentation mentions each key of prebuilt.json, and each option of the plugin', () => {
    expect(KEYS.length).toBeGreaterThan(10);
    const inner = (key: string): string => key.replace(/.*\./, '');
    const missing = [...KEYS, ...PLUGIN_OPTIONS].filter(
      (key) => !has(key) && !prose.includes(`"${inner(key)}":`) && !has(inner(key)),
    );
    expect(missing).toEqual([]);
  });

  it('the documentation mentions each target that a project in this workspace declares', () => {
    const declared = [...OWN_TARGETS].filter((name) => !/:(test|nothing.*)$/.test(name));
    expect(declared.length).toBeGreaterThan(5);
    const missing = declared.filter(
      (name) => !has(name) && !has(name.replace(/.*:/, '')) && !prose.includes(` ${name}`),
    );
    expect(missing).toEqual([]);
  });

  it('the documentation mentions each project in this workspace by its own folder or the folder above', () => {
    const folders = files.flatMap(
      (path) => /^((?:apps|libs|tools)\/[^/]+)\/package\.json$/.exec(path)?.[1] ?? [],
    );
    expect(folders.length).toBeGreaterThan(8);
    const missing = folders.filter((folder) => !has(folder) && !has(posix.dirname(folder)));
    expect(missing).toEqual([]);
  });

  it('lists exactly the reasons in the table of docs/checks.md', () => {
    const page = pages.find(({ path }) => path === 'docs/checks.md')?.text ?? '';
    const table = page.split('\n## Reasons\n')[1]?.split('\n## ')[0] ?? '';
    const rows = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, reason]) => reason);
    expect(rows.toSorted()).toEqual(REASONS.toSorted());
  });

  it('gives the same time limits and numbers of tries in docs/publishing.md as the code', () => {
    const page = pages.find(({ path }) => path === 'docs/publishing.md')?.text ?? '';
    const rows = (page.split('\n## How long it waits\n')[1] ?? '').split('\n## ')[0]?.match(/^\| [a-z].*$/gm);
    const [retry, github] = ['libs/oci/src/registry/retry.ts', 'libs/nx/src/github/retry.ts'] as const;
    const ours = (name: string): number => numberIn(retry, name);
    const theirs = (name: string): number => numberIn(github, name);
    const client = (name: string): number => numberIn('libs/nx/src/github/client.ts', name);
    const connect = numberIn('libs/oci/src/registry/transport/exchange.ts', 'CONNECT_MS') / 1000;
    const idle = numberIn('libs/nx/src/registry/connect.ts', 'IDLE_MS') / 1000;
    const waits = (first: number, tries: number, longest: number): readonly number[] =>
      Array.from({ length: tries - 1 }, (_, tried) => Math.min(longest, first * 2 ** tried) / 1000);
    expect(waits(theirs('FIRST_DELAY_MS'), theirs('MAX_TRIES'), theirs('LONGEST_DELAY_MS'))).toEqual(
      waits(ours('firstDelayMs'), ours('tries'), ours('longestDelayMs')),
    );
    const seconds = waits(ours('firstDelayMs'), ours('tries'), ours('longestDelayMs')).join(', ');
    const bytes = numberIn('libs/oci/src/registry/transport/operation.ts', 'MIN_BYTES_PER_SECOND') / 1024;
    const minutes = (ms: number): string => `${ms / 60_000} minutes`;
    const late = (ms: number): string => `more than ${minutes(ms)} after the start`;
    expect(rows).toEqual([
      `| one try | ${connect} s for a connection, then ${idle} s without a byte | ${client('REQUEST_MS') / 1000} s; ${minutes(client('TRANSFER_MS'))} for a file |`,
      `| tries | ${ours('tries')} | ${theirs('MAX_TRIES')} |`,
      `| wait before the next try | at most ${seconds.replace(/, (\S+)$/, ' and $1')} s, at least half of that, or as long as the server asks | the same |`,
      `| gives up if the next wait would end | ${late(ours('totalMs'))} | ${late(theirs('LONGEST_TOTAL_MS'))} |`,
      `| in all | ${minutes(ours('operationMs'))}, and one second more for every ${bytes} KiB of a blob | |`,
    ]);
  });

  it('gives the generator’s defaults in docs/ci-workflow.md, and this repository’s own values', () => {
    const page = pages.find(({ path }) => path === 'docs/ci-workflow.md')?.text ?? '';
    const rows = (page.split('\n## What the jobs run\n')[1] ?? '').split('\n## ')[0] ?? '';
    const { generators } = JSON.parse(readFileSync(join(ROOT, 'nx.json'), 'utf8'));
    const { test, install, prepare, environment } = generators['@prebuilt/nx:ci-workflow'];
    const usual = defaultOf('libs/nx/src/generators/ci-workflow/schema.json', 'test');
    expect(rows).toContain(`| \`test\` | \`${usual}\` | \`${test}\` |`);
    for (const [option, here] of Object.entries({ install, prepare, environment })) {
      expect(rows).toMatch(new RegExp(`^\\| \`${option}\`.* \\| \`${here}\` \\|$`, 'm'));
    }
  });

  it.each([
    ['target', [...TARGETS.keys()]],
    ['metric of the sidecar', METRICS],
    ['endpoint of the sidecar', ENDPOINTS],
    ['reason of a failed check', REASONS],
    ['flag of the sidecar', FLAGS.map((name) => `--${name}`)],
  ])('the documentation mentions each %s', (_, all) => {
    expect(all.length).toBeGreaterThan(3);
    expect(all.filter((name) => !prose.includes(`\`${name}\``) && !prose.includes(`\`${name} `))).toEqual([]);
  });

  it('the documentation mentions each script of package.json', () => {
    const missing = SCRIPTS.filter((name) => !new RegExp(`npm (run )?${name}\\b`).test(prose));
    expect(missing).toEqual([]);
  });

  it('the documentation mentions each environment variable that shipped code reads', () => {
    const variables = variablesIn(files);
    expect(variables.length).toBeGreaterThan(20);
    expect(variables.filter((name) => !has(name))).toEqual([]);
  });

  it('the documentation links to each page from the README or another page', () => {
    const linked = new Set(
      pages.flatMap((page) => linksOf(page).flatMap((link) => (page.path === link.path ? [] : [link.path]))),
    );
    const alone = pages
      .map(({ path }) => path)
      .filter((path) => path !== 'README.md' && !linked.has(path) && !linked.has(posix.dirname(path)));
    expect(alone).toEqual([]);
  });
});

describe('the documentation checks', () => {
  it.each([
    ['npm run nonsense', 'package.json has no script nonsense'],
    ['npx nx g @prebuilt/nx:nonsense', 'there is no generator nonsense'],
    ['npx nx g @prebuilt/nx:lock --nonsense', 'the generator lock has no option --nonsense'],
    ['npx nx run server:nonsense', 'there is no target nonsense'],
    ['npx nx run server:verify --nonsense', 'the target verify has no option --nonsense'],
    ['npx nx run-many --targets=verify,nonsense', 'there is no target nonsense'],
    ['npx nx affected -t nonsense build-binaries', 'there is no target nonsense'],
    ['./bootstrap --nonsense', 'bootstrap has no flag --nonsense'],
    ['mount-monitor --nonsense', 'mount-monitor has no flag --nonsense'],
    [
      'docker run --rm ghcr.io/a/mount-monitor:1.0.0 --nonsense',
      'mount-monitor:1.0.0 has no flag --nonsense',
    ],
  ])('the documentation checks refuse %s', (command, problem) => {
    expect(problemsOf(command)).toEqual([problem]);
  });

  it.each([
    'npm run check',
    'npx nx run server:docker-publish --dry-run --no-sbom --tag-latest=never',
    'npx nx run-many -t build-binaries verify --parallel=2',
    './bootstrap --packages-only',
    'mount-monitor --validate --config config.json',
  ])('the documentation checks accept %s', (command) => {
    expect(problemsOf(command)).toEqual([]);
  });

  it('the documentation checks find the pages', () => {
    expect(pages.length).toBeGreaterThan(25);
    expect(existsSync(join(ROOT, pages[0]?.path ?? ''))).toBe(true);
  });
});
