import type { Bench } from '../bench.ts';
import { compiles, verify } from './binaries.ts';
import { cachedChains } from './chain.ts';
import { growths, pluginStart } from './growths.ts';
import { imageFloors, images } from './images.ts';
import { installedChain } from './installed.ts';
import { peers } from './peers.ts';
import { publishes, publishesChanged } from './publish.ts';
import {
  sidecarChecks,
  sidecarEndpoints,
  sidecarMemory,
  sidecarMounts,
  sidecarProcessor,
  sidecarStart,
} from './sidecar.ts';
import { PEER_NAMES, sidecarPeer } from './sidecar-peer.ts';
import { peerSizes, SIZE_NAMES } from './sizes.ts';
import { prebuiltAgainstSource } from './source.ts';
import { toolchains } from './toolchains.ts';

export { growths, SIZE_NAMES };

/** All benchmarks, in the order they run and are shown; those against a peer only if its path is given. */
export function benchesFor(peer: string | undefined): readonly Bench[] {
  return [
    ...images,
    ...imageFloors,
    prebuiltAgainstSource,
    ...peers,
    ...cachedChains,
    installedChain,
    pluginStart,
    ...compiles,
    ...toolchains,
    verify,
    ...publishes,
    ...publishesChanged,
    sidecarStart,
    sidecarMemory,
    sidecarMounts,
    sidecarProcessor,
    sidecarChecks,
    ...sidecarEndpoints,
    ...(peer === undefined ? [] : [...peerSizes(peer), ...sidecarPeer(peer)]),
  ];
}

/** The names of the benchmarks that `--peer` adds. */
export const WITH_PEER: readonly string[] = [...SIZE_NAMES, ...PEER_NAMES];

/** Every name, in the order of the report. */
export const NAMES: readonly string[] = [
  ...benchesFor(undefined).map(({ name }) => name),
  ...WITH_PEER,
  ...growths.map(({ name }) => name),
];
