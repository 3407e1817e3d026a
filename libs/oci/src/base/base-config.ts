import * as v from 'valibot';
import { type Digest, isDigest } from '../digest.ts';
import { OciError } from '../errors.ts';
import { parseBoundedJson } from '../layout/bounded-json.ts';
import type { ContainerConfig, InheritedStep } from '../layout/image-config.ts';

/** A base's configuration. */
export interface BaseConfig {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | undefined;
  readonly author: string | undefined;
  readonly config: ContainerConfig;
  /** Absent if the base has none, or one that does not cover every layer. */
  readonly history: readonly InheritedStep[] | undefined;
  /** From the bottom layer up. */
  readonly diffIds: readonly Digest[];
  /** Instructions to run in any image built from it. */
  readonly onBuild: readonly string[];
}

const MAX_MEMBERS = 1000;
const text = v.pipe(v.string(), v.maxLength(65_536));
const texts = v.pipe(v.array(text), v.maxLength(MAX_MEMBERS));
const set = v.pipe(
  v.record(text, v.unknown()),
  v.check((value) => Object.keys(value).length <= MAX_MEMBERS, `expected at most ${MAX_MEMBERS} members`),
);
const duration = v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)));
const step = v.object({
  created: v.optional(text),
  created_by: v.optional(text),
  author: v.optional(text),
  comment: v.optional(text),
  empty_layer: v.optional(v.boolean()),
});
// The members left out are those of old engines (Hostname, Image, …), which no builder passes on.
const schema = v.object({
  architecture: text,
  os: text,
  variant: v.nullish(text),
  author: v.nullish(text),
  config: v.nullish(
    v.object({
      User: v.nullish(text),
      ExposedPorts: v.nullish(set),
      Env: v.nullish(texts),
      Entrypoint: v.nullish(texts),
      Cmd: v.nullish(texts),
      Volumes: v.nullish(set),
      WorkingDir: v.nullish(text),
      Labels: v.nullish(v.record(text, text)),
      StopSignal: v.nullish(text),
      ArgsEscaped: v.nullish(v.boolean()),
      Healthcheck: v.nullish(
        v.object({
          Test: v.nullish(texts),
          Interval: duration,
          Timeout: duration,
          StartPeriod: duration,
          StartInterval: duration,
          Retries: duration,
        }),
      ),
      OnBuild: v.nullish(texts),
      Shell: v.nullish(texts),
    }),
  ),
  history: v.nullish(v.pipe(v.array(step), v.maxLength(MAX_MEMBERS))),
  rootfs: v.object({
    type: v.literal('layers'),
    diff_ids: v.pipe(
      v.array(
        v.pipe(
          v.string(),
          v.check(isDigest, 'expected a SHA-256 digest'),
          v.transform((value) => value as Digest),
        ),
      ),
      v.maxLength(MAX_MEMBERS),
    ),
  }),
});

/**
 * Parses a base's configuration in OCI or Docker format. Throws `REGISTRY_RESPONSE`, naming the source and each
 * problem.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md
 */
export function parseBaseConfig(bytes: Uint8Array, source: string): BaseConfig {
  let data: unknown;
  try {
    data = parseBoundedJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new OciError('REGISTRY_RESPONSE', `${source}: configuration: expected JSON, found something else`, {
      cause,
    });
  }
  const parsed = v.safeParse(schema, data);
  if (!parsed.success) {
    const problems = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? '(root)'}: ${issue.message}`);
    throw new OciError('REGISTRY_RESPONSE', `${source}: configuration: ${problems.slice(0, 10).join('; ')}`);
  }
  const { architecture, os, variant, author, config, history, rootfs } = parsed.output;
  const diffIds = rootfs.diff_ids;
  const told = history?.filter(({ empty_layer }) => empty_layer !== true).length === diffIds.length;
  const check = config?.Healthcheck;
  return {
    os,
    architecture,
    variant: variant || undefined,
    author: author || undefined,
    config: {
      user: config?.User ?? '',
      exposedPorts: Object.keys(config?.ExposedPorts ?? {}),
      env: config?.Env ?? [],
      entrypoint: config?.Entrypoint ?? undefined,
      cmd: config?.Cmd ?? undefined,
      volumes: Object.keys(config?.Volumes ?? {}),
      workingDir: config?.WorkingDir ?? '',
      labels: config?.Labels ?? {},
      stopSignal: config?.StopSignal ?? undefined,
      argsEscaped: config?.ArgsEscaped ?? false,
      healthcheck: check
        ? {
            test: check.Test ?? [],
            interval: check.Interval,
            timeout: check.Timeout,
            startPeriod: check.StartPeriod,
            startInterval: check.StartInterval,
            retries: check.Retries,
          }
        : undefined,
      shell: config?.Shell ?? undefined,
    },
    history: told ? (history ?? undefined) : undefined,
    diffIds,
    onBuild: config?.OnBuild ?? [],
  };
}
