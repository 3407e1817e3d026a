import type { RepositoryClient } from '@prebuilt/oci/registry';
import type { Bases } from '../../image/base/read-bases.ts';
import type { LayerReader } from './layer-reader.ts';
import type { RepositoryPlan } from './plan.ts';

/** One repository that is being published to: its part of the plan, and what carries it out. */
export interface PublishTarget {
  readonly plan: RepositoryPlan;
  readonly client: RepositoryClient;
  readonly layers: LayerReader;
  /** The base image of each platform; empty if the image has no base. */
  readonly bases: Bases;
  /** Records an open upload under its own key; a URL of undefined means that it is no longer open. */
  readonly noteUpload: (key: string, url: string | undefined) => void;
  /** Prints a line. */
  readonly progress: (line: string) => void;
}
