import type { Bench } from '../bench.ts';
import { runAll } from '../process.ts';
import { nxCommand } from '../workspace-command.ts';

/** The whole chain from the cache, against tasks in the same workspace that do nothing. */
function cachedChain(
  task: string,
  fields: Pick<Bench, 'name' | 'title' | 'theirs' | 'target' | 'remark'>,
): Bench {
  return {
    ...fields,
    ours: '`nx run release:docker-release`, build, verification and image from the cache',
    unit: 'ms',
    async prepare({ workspaceRoot }) {
      // With the daemon, as on a developer's machine; Nx turns it off in CI and in containers.
      const daemon = { NX_DAEMON: 'true' };
      const ours = nxCommand(workspaceRoot, ['run', 'release:docker-release'], daemon);
      const theirs = nxCommand(workspaceRoot, ['run', task], daemon);
      // The first run of each may have to do the work; later ones are served from the cache.
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
}

/** One empty task measures the minimum cost of Nx; three in a row, its cost for a chain of this length. */
export const cachedChains: readonly Bench[] = [
  cachedChain('bench:nothing', {
    name: 'cached-chain',
    title: 'Cached chain',
    theirs: '`nx run bench:nothing`, a cached task of the same workspace that does nothing',
    target: { kind: 'at-most', ratio: 1.3 },
    remark:
      'What limits it: if a workspace has a tsconfig.base.json, every run of Nx loads all of TypeScript (80 ms) to look for conditions in that file before it finds an executor of that workspace; without the file the ratio was 1.46. The rest is Nx hashing three tasks one after the other, since the key of each includes the output of the one before, and one start of docker, which is needed to get the builder into the key; empty tasks have nothing to hash.',
  }),
  cachedChain('bench:nothing-at-last', {
    name: 'cached-chain-of-three',
    title: 'Cached chain, against three empty tasks',
    theirs: '`nx run bench:nothing-at-last`, the last of three cached tasks in a row that do nothing',
    target: { kind: 'report' },
  }),
];
