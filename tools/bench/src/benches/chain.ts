import type { Bench } from '../bench.ts';
import { runAll } from '../process.ts';
import { nxCommand } from '../workspace-command.ts';

/** The whole chain from the cache, against the least that Nx can do. */
export const cachedChain: Bench = {
  name: 'cached-chain',
  title: 'Cached chain',
  ours: '`nx run release:docker-release`, build, verification and image from the cache',
  theirs: '`nx run bench:nothing`, a cached task of the same workspace that does nothing',
  unit: 'ms',
  target: { kind: 'at-most', ratio: 1.3 },
  async prepare({ workspaceRoot }) {
    // With its daemon, as on a desk; Nx itself leaves it out in CI and in containers.
    const daemon = { NX_DAEMON: 'true' };
    const ours = nxCommand(workspaceRoot, ['run', 'release:docker-release'], daemon);
    const theirs = nxCommand(workspaceRoot, ['run', 'bench:nothing'], daemon);
    // The first of each may have to do the work; every further one finds it done.
    await runAll([ours]);
    await runAll([theirs]);
    return {
      ours: { run: () => runAll([ours]) },
      theirs: { run: () => runAll([theirs]) },
      close: async () => {
        await runAll([nxCommand(workspaceRoot, ['daemon', '--stop'])]);
      },
    };
  },
};
