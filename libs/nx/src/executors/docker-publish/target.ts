import type { RepositoryClient } from '@prebuilt/oci/registry';
import type { Bases } from '../../image/base/read-bases.ts';
import type { LayerReader } from './layer-reader.ts';
import type { RepositoryPlan } from './plan.ts';

/** One repository while it is published to: its part of the plan, and what carries it out. */
export interface PublishTarget {
  readonly plan: RepositoryPlan;
  readonly client: RepositoryClient;
  readonly layers: LayerReader;
  /** What the image starts from, for each platform; none where that is nothing. */
  readonly bases: Bases;
  /** Notes an upload that is open, under a key of its own; undefined once it is not. */
  readonly noteUpload: (key: string, url: string | undefined) => void;
  /** Prints a line. */
  readonly progress: (line: string) => void;
}
