import type { Digest } from '../digest.ts';
import { goJson, sortedMap } from './go-json.ts';

/** A command that checks whether a container is healthy; durations in nanoseconds. */
export interface Healthcheck {
  readonly test: readonly string[];
  readonly interval?: number | undefined;
  readonly timeout?: number | undefined;
  readonly startPeriod?: number | undefined;
  readonly startInterval?: number | undefined;
  readonly retries?: number | undefined;
}

/** How a container runs: the `config` object of an image's configuration. */
export interface ContainerConfig {
  readonly user?: string | undefined;
  /** `8080/tcp`, … in any order. */
  readonly exposedPorts?: readonly string[] | undefined;
  /** `NAME=value`, in the order in which they were set. */
  readonly env: readonly string[];
  readonly entrypoint?: readonly string[] | undefined;
  readonly cmd?: readonly string[] | undefined;
  readonly volumes?: readonly string[] | undefined;
  /** Empty if a base has none, which is the same as `/`. */
  readonly workingDir: string;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly stopSignal?: string | undefined;
  readonly argsEscaped?: boolean | undefined;
  readonly healthcheck?: Healthcheck | undefined;
  /** Instructions for images built from this one. */
  readonly onBuild?: readonly string[] | undefined;
  /** The shell for commands that are not lists. */
  readonly shell?: readonly string[] | undefined;
}

/** A step in an image's history; `createdBy` is the instruction in the builder's wording. */
export interface HistoryEntry {
  readonly createdBy: string;
  readonly emptyLayer: boolean;
}

/** A step in a base's history, as its configuration has it. */
export interface InheritedStep {
  readonly created?: string | undefined;
  readonly created_by?: string | undefined;
  readonly author?: string | undefined;
  readonly comment?: string | undefined;
  readonly empty_layer?: boolean | undefined;
}

/** The contents of an image's configuration. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string | undefined;
  readonly author?: string | undefined;
  readonly config: ContainerConfig;
  /** Seconds since 1970. */
  readonly created: number;
  readonly history: readonly HistoryEntry[];
  readonly diffIds: readonly Digest[];
  /** The base's steps, before the image's own. */
  readonly inherited?: readonly InheritedStep[] | undefined;
}

/**
 * Formats an image's configuration with the same members, order and escapes as BuildKit, so that the same image has the
 * same ID.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md
 */
export function formatImageConfig(image: ImageConfig): string {
  const created = rfc3339(image.created);
  return goJson({
    architecture: image.architecture,
    author: image.author,
    config: formatContainerConfig(image.config),
    created,
    history: [
      ...inheritedSteps(image.inherited ?? []),
      ...image.history.map(({ createdBy, emptyLayer }) => ({
        created,
        created_by: createdBy,
        comment: 'buildkit.dockerfile.v0',
        empty_layer: emptyLayer ? true : undefined,
      })),
    ],
    os: image.os,
    rootfs: { type: 'layers', diff_ids: image.diffIds },
    variant: image.variant,
  });
}

/**
 * A base's steps as BuildKit passes them on: in this order, without empty members.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/specs-go/v1/config.go
 */
export function inheritedSteps(steps: readonly InheritedStep[]): readonly InheritedStep[] {
  return steps.map((step) => ({
    created: step.created,
    created_by: unlessEmpty(step.created_by),
    author: unlessEmpty(step.author),
    comment: unlessEmpty(step.comment),
    empty_layer: step.empty_layer === true ? true : undefined,
  }));
}

function formatContainerConfig(config: ContainerConfig): object {
  return {
    User: unlessEmpty(config.user),
    ExposedPorts: asSet(config.exposedPorts),
    Env: config.env,
    Entrypoint: unlessEmpty(config.entrypoint),
    Cmd: unlessEmpty(config.cmd),
    Volumes: asSet(config.volumes),
    WorkingDir: unlessEmpty(config.workingDir),
    Labels:
      config.labels === undefined || Object.keys(config.labels).length === 0
        ? undefined
        : sortedMap(config.labels),
    StopSignal: unlessEmpty(config.stopSignal),
    ArgsEscaped: config.argsEscaped === true ? true : undefined,
    Healthcheck: config.healthcheck && {
      Test: config.healthcheck.test,
      Interval: unlessZero(config.healthcheck.interval),
      Timeout: unlessZero(config.healthcheck.timeout),
      StartPeriod: unlessZero(config.healthcheck.startPeriod),
      StartInterval: unlessZero(config.healthcheck.startInterval),
      Retries: unlessZero(config.healthcheck.retries),
    },
    OnBuild: unlessEmpty(config.onBuild),
    Shell: unlessEmpty(config.shell),
  };
}

function asSet(names: readonly string[] | undefined): object | undefined {
  if (names === undefined || names.length === 0) return undefined;
  return sortedMap(Object.fromEntries(names.map((name) => [name, {}])));
}

function unlessEmpty<T extends { readonly length: number }>(value: T | undefined): T | undefined {
  return value === undefined || value.length === 0 ? undefined : value;
}

function unlessZero(value: number | undefined): number | undefined {
  return value === 0 ? undefined : value;
}

/** A time in the format of image configurations and annotations: RFC 3339, UTC, whole seconds. */
export function rfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
