import { ACTIONS } from './actions.ts';
import type { Commands } from './commands.ts';
import { testContainer, trusted } from './job-steps.ts';
import { CACHE_COMMENTS, CACHE_VARIABLES, type TaskCache } from './task-cache.ts';
import { expression, indented, type Job, jobText, run, use } from './workflow-text.ts';

/** The settings for the pull request workflow. */
export interface CheckSettings {
  readonly affected: string;
  readonly branch: string;
  readonly container: string | undefined;
  readonly engineFolder: string | undefined;
  readonly commands: Commands;
  readonly cache: TaskCache;
  /** Nx's cache folder, relative to the workspace root; undefined if nx.json doesn't set one. */
  readonly cacheFolder: string | undefined;
  /** What to build on macOS, too; undefined for nothing. */
  readonly mac: MacBuild | undefined;
}

/** What to build on macOS, the way a developer with a Mac would. */
export interface MacBuild {
  readonly projects: readonly string[];
  readonly targets: readonly string[];
  /** Whether the lock contains Debian packages, which macOS can't unpack without extra tools. */
  readonly packages: boolean;
}

const RUNNER = 'ubuntu-24.04';
const MAC_RUNNER = 'macos-15';
const IS_AFFECTED = "needs.affected.outputs.projects != '[]'";

/** The step that runs what a change affects. */
function runAffected(script: string, cache: TaskCache): string {
  const env = [
    `NX_BASE: ${expression('needs.affected.outputs.base')}`,
    `NX_HEAD: ${expression('needs.affected.outputs.head')}`,
    ...CACHE_VARIABLES[cache],
  ];
  return `${run(script)}\n  env:\n${indented(env.join('\n'), 4)}`;
}

/** The workflow for pull requests and the main branch: runs what a change affects, with a cache that only main writes. */
export function checkWorkflow(settings: CheckSettings): string {
  return `# Written by nx g @prebuilt/nx:ci-workflow; its options are in nx.json, under "generators".
# Runs what a change affects, for pull requests and on ${settings.branch}.
${CACHE_COMMENTS[settings.cache]}
name: CI

on:
  pull_request:
  push:
    branches: [${settings.branch}]

permissions: {}

defaults:
  run:
    shell: bash

concurrency:
  group: ci-${expression('github.ref')}
  # On ${settings.branch}, every commit's run continues, so that there is a last green one.
  cancel-in-progress: ${expression("github.event_name == 'pull_request'")}

jobs:
${[affectedJob(settings), checkJob(settings), ...macJobs(settings)].map(jobText).join('\n\n')}
`;
}

function affectedJob({ branch, commands }: CheckSettings): Job {
  return {
    id: 'affected',
    name: 'Affected',
    runner: RUNNER,
    minutes: 15,
    permissions: [
      { name: 'contents', access: 'read', why: 'for the checkout' },
      { name: 'actions', access: 'read', why: 'to find the last green run' },
    ],
    outputs: {
      base: expression('steps.shas.outputs.base'),
      head: expression('steps.shas.outputs.head'),
      projects: expression('steps.affected.outputs.projects'),
    },
    steps: [
      use(ACTIONS.checkout, 'fetch-depth: 0\npersist-credentials: false'),
      use(ACTIONS.setShas, `main-branch-name: ${branch}`, { id: 'shas' }),
      ...commands.install.map(run),
      `- id: affected
  run: |
    projects=$(npx nx show projects --affected --json)
    echo "projects=$projects" | tee --append "$GITHUB_OUTPUT"`,
    ],
  };
}

function checkJob(settings: CheckSettings): Job {
  const { affected, branch, container, engineFolder, commands, cache, cacheFolder } = settings;
  const folder = cacheFolder ?? '.nx/cache';
  const results = cache === 'github' ? [folder, '.nx/workspace-data/*.db'] : [];
  const paths = [...commands.caches, ...results];
  const kept = indented(paths.join('\n'), 2);
  const scope = `main-${expression('runner.os')}-${expression('runner.arch')}-`;
  const saves = `github.event_name == 'push' && github.ref == 'refs/heads/${branch}'`;
  const files = '/etc/machine-id /var/lib/dbus/machine-id';
  const machine =
    container === undefined
      ? [`echo "$MACHINE" | sudo tee ${files}`]
      : ['mkdir --parents /var/lib/dbus', `echo "$MACHINE" | tee ${files}`];
  return {
    id: 'check',
    name: 'Check',
    needs: ['affected'],
    if: IS_AFFECTED,
    runner: RUNNER,
    minutes: 60,
    permissions: [{ name: 'contents', access: 'read', why: 'for the checkout' }],
    container: testContainer(container, engineFolder),
    ...(cache === 'github' && cacheFolder === undefined ? { env: `NX_CACHE_DIRECTORY: ${folder}` } : {}),
    steps: [
      use(ACTIONS.checkout, 'fetch-depth: 0\npersist-credentials: false'),
      ...trusted(container),
      ...(cache === 'github'
        ? [
            '# Nx names its cache index after the machine, so runs share a cache only if all machines have the same ID.',
            `- run: |\n${indented(machine.join('\n'), 4)}\n  env:\n    MACHINE: 5f0c2b8e9d3a4f6c8b1e7a2d4c6f8e90`,
          ]
        : []),
      ...(paths.length > 0
        ? [
            `# A pull request reads the cache of ${branch} but saves nothing, so its code can't affect any other run.`,
            use(
              ACTIONS.restoreCache,
              `path: |\n${kept}\nkey: ${scope}${expression('github.sha')}\nrestore-keys: ${scope}`,
            ),
          ]
        : []),
      ...commands.prepare.map(run),
      runAffected(affected, cache),
      ...(paths.length > 0
        ? [
            use(ACTIONS.saveCache, `path: |\n${kept}\nkey: ${scope}${expression('github.sha')}`, {
              condition: saves,
            }),
          ]
        : []),
    ],
  };
}

function macJobs({ mac, commands, cache }: CheckSettings): readonly Job[] {
  if (mac === undefined) return [];
  const { projects, targets, packages } = mac;
  const chosen = ['*', ...projects.map((project) => `!${project}`)].join(',');
  const affected = `npx nx affected -t ${targets.join(' ')} --exclude='${chosen}'`;
  return [
    {
      id: 'macos',
      name: 'macOS',
      needs: ['affected'],
      if: IS_AFFECTED,
      runner: MAC_RUNNER,
      minutes: 30,
      permissions: [{ name: 'contents', access: 'read', why: 'for the checkout' }],
      steps: [
        use(ACTIONS.checkout, 'fetch-depth: 0\npersist-credentials: false'),
        ...(packages ? ['# Unpacks the packages in prebuilt.lock.json.', run('brew install dpkg')] : []),
        ...commands.prepare.map(run),
        "# These machines have no container engine, so only the executables' structure is verified.",
        runAffected(affected, cache),
      ],
    },
  ];
}
