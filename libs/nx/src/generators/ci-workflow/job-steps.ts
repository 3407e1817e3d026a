import { ACTIONS } from './actions.ts';
import type { ReleasedProgram } from './release-settings.ts';
import { expression, indented, type Permission, run, use } from './workflow-text.ts';

/** GitHub's machines, by architecture. */
export const RUNNER = 'ubuntu-24.04';
/** An arm64 one, which private repositories may lack. */
export const ARM_RUNNER = 'ubuntu-24.04-arm';

/** What a job with a checkout may. */
export const READ: Permission = { name: 'contents', access: 'read', why: 'the checkout' };
/** What a job may that takes what others left. */
export const ARTIFACTS: Permission = {
  name: 'actions',
  access: 'read',
  why: 'what earlier jobs left is downloaded',
};

/** Checks out without leaving a token behind. */
export function checkout({
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

/** Downloads artifacts of this run, of whichever attempt. */
export function download(inputs: readonly string[], more: Parameters<typeof use>[2] = {}): string {
  // With a token an artifact is looked for in all attempts of the run, without one in some.
  return use(ACTIONS.download, [...inputs, `github-token: ${expression('github.token')}`].join('\n'), more);
}

/** Uploads a file under a name that no other attempt takes, or in its place. */
export function upload(name: string, path: string, overwrite = false): string {
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

/** Downloads and unpacks what the build left. */
export function binaries(): readonly string[] {
  return [download([`name: ${BINARIES}`]), run('tar --extract --file=binaries.tar')];
}

/** The command of a program's target. */
export function nx(program: ReleasedProgram, target: string, ...args: readonly string[]): string {
  return ['npx nx run', `${program.project}:${program.target(target)}`, ...args].join(' ');
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
