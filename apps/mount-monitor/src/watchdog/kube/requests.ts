import type { ConfigMapName, Namespace, PodName, PodUid } from './names.ts';

/** An access that the watchdog may need: an action on its own pod, or on the budget's ConfigMap. */
export interface Access {
  readonly verb: 'delete' | 'create' | 'get' | 'patch';
  readonly resource: 'pods' | 'configmaps';
  readonly subresource?: 'eviction';
  readonly namespace: Namespace;
  readonly name: PodName | ConfigMapName;
}

/**
 * A SelfSubjectAccessReview of one access. It includes the object's name, because a role limited to names denies
 * requests without one.
 */
export function accessReview({ verb, resource, subresource, namespace, name }: Access) {
  const resourceAttributes = {
    namespace,
    verb,
    resource,
    name,
    ...(subresource === undefined ? {} : { subresource }),
  };
  return {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes },
  } as const;
}

/** Options for a DELETE that applies only to the pod with this uid. */
export function deleteOptions(uid: PodUid) {
  return { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid } } as const;
}

/** The versions of the Eviction resource: `policy/v1` since Kubernetes 1.22, the other one up to 1.24. */
export const evictionVersions = ['policy/v1', 'policy/v1beta1'] as const;
export type EvictionVersion = (typeof evictionVersions)[number];

/**
 * An Eviction (https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/) of only the pod with this uid.
 */
export function eviction(apiVersion: EvictionVersion, namespace: Namespace, name: PodName, uid: PodUid) {
  return {
    apiVersion,
    kind: 'Eviction',
    metadata: { name, namespace },
    deleteOptions: { preconditions: { uid } },
  } as const;
}

/** The content of an Event. */
export interface EventText {
  readonly reason: 'MountUnhealthy' | 'RestartingPod';
  readonly action: 'Delete' | 'Evict' | 'Exit' | 'Notify';
  readonly note: string;
  /** When it happened, in ms since 1970. */
  readonly at: number;
}

/** The Event's controller; Kubernetes requires a qualified name. */
export const reportingController = 'mount-monitor/watchdog';
const maxNoteBytes = 1024;

/** An Event (https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/) about the pod. */
export function podEvent(namespace: Namespace, name: PodName, uid: PodUid, text: EventText) {
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace, generateName: 'mount-monitor-' },
    eventTime: new Date(text.at).toISOString().replace('Z', '000Z'),
    reportingController,
    reportingInstance: name.slice(0, 128),
    type: 'Warning',
    reason: text.reason,
    action: text.action,
    note: cutToBytes(text.note, maxNoteBytes),
    regarding: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
  } as const;
}

/** A merge patch of one key that applies only to the given version of the ConfigMap. */
export function configMapPatch(resourceVersion: string, key: string, value: string) {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { resourceVersion },
    data: { [key]: value },
  } as const;
}

function cutToBytes(text: string, most: number): string {
  const bytes = Buffer.from(text.toWellFormed());
  if (bytes.length <= most) return bytes.toString('utf8');
  let end = most - 3;
  // Do not cut inside a character: UTF-8 continuation bytes are 10xxxxxx.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${bytes.toString('utf8', 0, end)}…`;
}
