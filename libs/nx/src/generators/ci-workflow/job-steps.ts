import { ACTIONS } from './actions.ts';
import type { ReleasedProgram } from './release-settings.ts';
import { expression, indented, type Permission, run, use } from './workflow-text.ts';

/** GitHub's x64 machine. */
export const RUNNER = 'ubuntu-24.04';
/** GitHub's arm64 machine, which private repositories may lack. */
export const ARM_RUNNER = 'ubuntu-24.04-arm';

/** The permission for a checkout. */
export const READ: Permission = { name: 'contents', access: 'read', why: 'for the checkout' };
/** The permission for downloading artifacts from other jobs. */
export const ARTIFACTS: Permission = {
  name: 'actions',
  access: 'read',
  why: 'to download the artifacts of earlier jobs',
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

/** The build's artifact, named after the attempt that built it, so that a re-run finds the matching one. */
const BINARIES = `binaries-${expression('needs.build.outputs.attempt')}`;

/** Downloads artifacts from any attempt of this run. */
export function download(inputs: readonly string[], more: Parameters<typeof use>[2] = {}): string {
  // With a token, the action searches all attempts of the run; without one, only some.
  return use(ACTIONS.download, [...inputs, `github-token: ${expression('github.token')}`].join('\n'), more);
}

/** Uploads a file under a name unique to the attempt, or overwrites the existing one. */
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

/** Downloads and unpacks the build's artifact. */
export function binaries(): readonly string[] {
  return [download([`name: ${BINARIES}`]), run('tar --extract --file=binaries.tar')];
}

/** The command that runs a program's target. */
export function nx(program: ReleasedProgram, target: string, ...args: readonly string[]): string {
  return ['npx nx run', `${program.project}:${program.target(target)}`, ...args].join(' ');
}

/** The command that runs several of a program's targets. Nx starts only once. */
export function nxMany(program: ReleasedProgram, ...targets: readonly string[]): string {
  return `npx nx run-many --projects=${program.project} --targets=${targets.map(program.target).join(',')}`;
}

/** The container for tests. To start an engine, it needs privileges, and a data folder outside the overlay. */
export function testContainer(
  image: string | undefined,
  engineFolder: string | undefined,
): string | undefined {
  if (image === undefined) return undefined;
  if (engineFolder === undefined) return `image: ${image}`;
  return `image: ${image}
# The tests start an engine and mount FUSE file systems. The engine can't keep its data on the container's own
# overlay, and it creates cgroups below those delegated by the machine.
options: --privileged --cgroupns=host
volumes:
  - engine:${engineFolder}`;
}

/** In a container, the checkout belongs to a different user. */
export function trusted(container: string | undefined): readonly string[] {
  return container === undefined ? [] : [run('git config --global --add safe.directory "$GITHUB_WORKSPACE"')];
}
