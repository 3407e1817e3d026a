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
import { prebuiltAgainstSource } from './source.ts';

export { growths };

/** All benchmarks, in the order they run and are shown; those against a peer only where its path is given. */
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
    verify,
    ...publishes,
    ...publishesChanged,
    sidecarStart,
    sidecarMemory,
    sidecarMounts,
    sidecarProcessor,
    sidecarChecks,
    ...sidecarEndpoints,
    ...(peer === undefined ? [] : sidecarPeer(peer)),
  ];
}

/** Every name, in the order of the report. */
export const NAMES: readonly string[] = [
  ...benchesFor(undefined).map(({ name }) => name),
  ...PEER_NAMES,
  ...growths.map(({ name }) => name),
];
