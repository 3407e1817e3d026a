import type { RestartBudget } from '../config/watchdog-config.ts';
import type { KubeApi, PodFacts } from './kube/api.ts';
import type { ConfigMapName, PodName } from './kube/names.ts';

/** A restart that has happened or is about to. */
export interface LedgerEntry {
  /** Unique among all restarts. */
  readonly id: string;
  readonly pod: string;
  /** When the entry was added, in ms since 1970. */
  readonly at: number;
}

/** The outcome of requesting a restart from the budget. */
export type Reservation =
  | { readonly kind: 'reserved'; readonly used: number; readonly limit: number }
  | { readonly kind: 'exhausted'; readonly used: number; readonly limit: number; readonly freeInMs: number }
  | { readonly kind: 'unreadable'; readonly detail: string };

/**
 * How long a reservation may be used, in ms; after that it must be renewed. An entry counts for the window plus twice
 * this time, so that a restart made at the end of its reservation still counts for a full window.
 */
export const reservationMs = 30_000;
const graceMs = 2 * reservationMs;

/**
 * A pod's key in the ConfigMap: the name of its workload, so that successors share it. A Deployment's ReplicaSet is
 * named `NAME-HASH`, and the hash changes with each rollout. A pod without a controller has its own key.
 */
export function ledgerKey(
  { controller, templateHash }: Pick<PodFacts, 'controller' | 'templateHash'>,
  pod: PodName,
): string {
  if (controller === undefined) return `Pod.${pod}`.slice(0, 253);
  const suffix = `-${templateHash ?? ''}`;
  const ofDeployment =
    controller.kind === 'ReplicaSet' && templateHash !== undefined && controller.name.endsWith(suffix);
  const kind = ofDeployment ? 'Deployment' : controller.kind;
  const name = ofDeployment ? controller.name.slice(0, -suffix.length) : controller.name;
  return `${kind}.${name}`.replace(/[^-._a-zA-Z0-9]/g, '_').slice(0, 253);
}

/** Parses a key's value: a JSON list of `{id, pod, at}` with RFC 3339 times. Undefined if it is anything else. */
export function parseLedger(text: string | undefined): readonly LedgerEntry[] | undefined {
  if (text === undefined || text.trim() === '') return [];
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  const entries: LedgerEntry[] = [];
  for (const item of list as readonly unknown[]) {
    const { id, pod, at } = (typeof item === 'object' && item !== null ? item : {}) as Record<
      string,
      unknown
    >;
    if (typeof id !== 'string' || typeof pod !== 'string' || typeof at !== 'string') return undefined;
    const time = Date.parse(at);
    if (Number.isNaN(time)) return undefined;
    entries.push({ id, pod, at: time });
  }
  return entries;
}

/** Writes the format that {@link parseLedger} reads. */
export function formatLedger(entries: readonly LedgerEntry[]): string {
  return JSON.stringify(entries.map(({ id, pod, at }) => ({ id, pod, at: new Date(at).toISOString() })));
}

/** Adds a restart, or renews it under the same ID, if the budget has room. Entries in the future count as well. */
export function enter(
  entries: readonly LedgerEntry[],
  entry: LedgerEntry,
  { restarts, windowMs }: RestartBudget,
):
  | { readonly entries: readonly LedgerEntry[]; readonly used: number }
  | { readonly freeInMs: number; readonly used: number } {
  const lifeMs = windowMs + graceMs;
  const counting = entries.filter(({ id, at }) => id !== entry.id && at > entry.at - lifeMs);
  if (counting.length < restarts) return { entries: [...counting, entry], used: counting.length + 1 };
  const times = counting.map(({ at }) => at).sort((a, b) => a - b);
  // There is room once all but restarts − 1 of them have left the window.
  const blocking = times[counting.length - restarts] ?? entry.at;
  return { freeInMs: Math.max(1000, blocking + lifeMs - entry.at), used: counting.length };
}

const conflictTries = 8;

/**
 * Adds a restart to the ConfigMap, provided that its version has not changed since it was read: if two pods do this at
 * once, one of them gets a conflict and reads again. Anything that cannot be read or written is `unreadable`.
 */
export async function reserve(
  api: KubeApi,
  configMap: ConfigMapName,
  key: string,
  entry: LedgerEntry,
  budget: RestartBudget,
): Promise<Reservation> {
  const limit = budget.restarts;
  for (let attempt = 0; attempt < conflictTries; attempt += 1) {
    const read = await api.getConfigMap(configMap);
    if (read.kind === 'refused') return { kind: 'unreadable', detail: read.detail };
    const entries = parseLedger(read.data[key]);
    if (entries === undefined) {
      return {
        kind: 'unreadable',
        detail: `ConfigMap ${configMap}: key ${key} contains no list of restarts; remove the key to start over`,
      };
    }
    const entered = enter(entries, entry, budget);
    if ('freeInMs' in entered) return { kind: 'exhausted', limit, ...entered };
    const written = await api.patchConfigMap(
      configMap,
      read.resourceVersion,
      key,
      formatLedger(entered.entries),
    );
    if (written.kind !== 'refused') return { kind: 'reserved', used: entered.used, limit };
    if (written.status !== 409) return { kind: 'unreadable', detail: written.detail };
  }
  return {
    kind: 'unreadable',
    detail: `ConfigMap ${configMap}: changed ${conflictTries} times while a restart was being added`,
  };
}
