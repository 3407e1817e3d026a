import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { buildNodeStandIn } from '@prebuilt/testing/engine';
import type { Bench } from '../bench.ts';
import { BenchError } from '../errors.ts';
import { runAll } from '../process.ts';
import { PRUNE } from './images.ts';
import { nxReleaseCommand, verifiedSidecar } from './released.ts';

const BASE_IMAGE = 'node-stand-in:bench';

/** Packing prebuilt executables, against compiling again inside Docker, as releases used to do. */
export const prebuiltAgainstSource: Bench = {
  name: 'prebuilt-source',
  title: 'Prebuilt against source',
  ours: '`nx run release:docker-release --builder=daemonless` on built and verified executables, both platforms',
  theirs:
    '`docker buildx build` of Dockerfile, which compiles from source, both platforms in parallel, nothing cached; it cross-compiles, so nothing is emulated',
  unit: 'ms',
  target: { kind: 'at-most', ratio: 0.1 },
  async prepare(context) {
    const environment = await context.engine();
    context.progress('prebuilt-source: making a base image like node:24-slim');
    try {
      await buildNodeStandIn(BASE_IMAGE, environment);
    } catch (cause) {
      throw new BenchError(
        'PREREQUISITE',
        `a base image: ${cause instanceof Error ? cause.message : cause}`,
        {
          hint: 'It needs root, mmdebstrap and the npm registry.',
          cause,
        },
      );
    }
    const verified = await verifiedSidecar(context);
    const output = join(context.scratch, 'source');
    const source = {
      file: 'docker',
      args: [
        'buildx',
        'build',
        '--platform=linux/amd64,linux/arm64',
        '--provenance=false',
        '--network=host',
        `--build-context=node:24-slim=docker-image://${BASE_IMAGE}`,
        `--output=type=oci,tar=false,dest=${output}`,
        context.workspaceRoot,
      ],
      env: environment,
    };
    return {
      ours: {
        run: () =>
          runAll([nxReleaseCommand(context, verified, 'oci', ['--builder=daemonless'], environment)]),
      },
      theirs: {
        before: async () => {
          await rm(output, { recursive: true, force: true });
          await runAll([{ ...PRUNE, env: environment }]);
        },
        run: () => runAll([source]),
      },
      close: async () => {
        await runAll([{ file: 'docker', args: ['image', 'rm', '--force', BASE_IMAGE], env: environment }]);
      },
    };
  },
};
