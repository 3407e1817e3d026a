import type { KubeReply, KubeRequest, KubeTransport, KubeVerb } from './client.ts';
import { KubeError, type KubeErrorCode } from './errors.ts';
import { type ConfigMapName, type Namespace, type PodName, type PodUid, parsePodUid } from './names.ts';
import {
  type Access,
  accessReview,
  configMapPatch,
  deleteOptions,
  type EventText,
  type EvictionVersion,
  eviction,
  evictionVersions,
  podEvent,
} from './requests.ts';

/** An unsuccessful answer from the API server, or no answer at all. */
export interface Refusal {
  readonly kind: 'refused';
  /** The HTTP status; undefined if there was no answer. */
  readonly status: number | undefined;
  /** Why there was no answer. */
  readonly code: KubeErrorCode | undefined;
  /** A one-line message for people. */
  readonly detail: string;
  readonly retryAfterMs: number | undefined;
  /** Whether a PodDisruptionBudget caused the refusal. */
  readonly byDisruptionBudget: boolean;
}

/** The parts of a pod that the watchdog uses. */
export interface PodFacts {
  readonly kind: 'pod';
  readonly uid: PodUid;
  readonly terminating: boolean;
  /** The owner reference with `controller: true`; undefined if nothing would create a successor. */
  readonly controller: { readonly kind: string; readonly name: string } | undefined;
  /** The label `pod-template-hash` that a Deployment adds to its pods. */
  readonly templateHash: string | undefined;
}

export interface ConfigMapFacts {
  readonly kind: 'config_map';
  readonly resourceVersion: string;
  readonly data: Readonly<Record<string, string>>;
}

type Absent = { readonly kind: 'absent' };
type Done = { readonly kind: 'done'; readonly status: number };

/** The cluster's API, bound to one pod. Every method resolves; only defects throw. */
export interface KubeApi {
  /** Returns whether the access is allowed. */
  review(access: Access): Promise<{ readonly kind: 'reviewed'; readonly allowed: boolean } | Refusal>;
  getPod(): Promise<PodFacts | Absent | Refusal>;
  /** 404 is `absent`. 409 is a refusal: the pod with this name does not have this uid. */
  deletePod(uid: PodUid, confirm: () => boolean): Promise<Done | Absent | Refusal>;
  evictPod(uid: PodUid, confirm: () => boolean): Promise<Done | Absent | Refusal>;
  createEvent(uid: PodUid, text: EventText): Promise<Done | Refusal>;
  getConfigMap(name: ConfigMapName): Promise<ConfigMapFacts | Refusal>;
  /** A 409 means that the ConfigMap has changed since it was read. */
  patchConfigMap(
    name: ConfigMapName,
    resourceVersion: string,
    key: string,
    value: string,
  ): Promise<ConfigMapFacts | Refusal>;
}

/** Facts learned from the API server; kept while they remain valid, across several armings. */
export interface Discovered {
  evictionVersion?: EvictionVersion | undefined;
}

export interface KubeApiOptions {
  readonly transport: KubeTransport;
  readonly namespace: Namespace;
  readonly pod: PodName;
  readonly signal: AbortSignal;
  readonly discovered: Discovered;
  /** Called once per request with the HTTP status as text, or the error's code. */
  readonly count: (verb: KubeVerb, code: string) => void;
}

/** Events are optional and must not delay the restart. */
const eventDeadlineMs = 5000;

/** Creates the API. On a 401 it reads the token again and retries once, because tokens rotate. */
export function createKubeApi({
  transport,
  namespace,
  pod,
  signal,
  discovered,
  count,
}: KubeApiOptions): KubeApi {
  const attempt = async (request: KubeRequest): Promise<KubeReply | Refusal> => {
    try {
      const reply = await transport({ ...request, signal });
      count(request.verb, String(reply.status));
      return reply;
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      if (error.code !== 'withheld' && error.code !== 'path') count(request.verb, error.code);
      return refusal({ code: error.code, detail: [error.message, error.hint].filter(Boolean).join('; ') });
    }
  };
  const send = async (request: KubeRequest): Promise<KubeReply | Refusal> => {
    const first = await attempt(request);
    return 'kind' in first || first.status !== 401 ? first : attempt(request);
  };
  const call = async <Answer>(
    request: KubeRequest,
    read: (reply: KubeReply) => Answer | undefined,
  ): Promise<Answer | Refusal> => {
    const reply = await send(request);
    if ('kind' in reply) return reply;
    return read(reply) ?? refuse(request, reply);
  };
  const success = ({ status }: KubeReply): Done | Absent | undefined =>
    status >= 200 && status < 300 ? { kind: 'done', status } : undefined;
  const gone = (reply: KubeReply): Done | Absent | undefined =>
    reply.status === 404 ? { kind: 'absent' } : success(reply);

  const podPath = ['api', 'v1', 'namespaces', namespace, 'pods', pod];
  const configMapPath = (name: ConfigMapName) => ['api', 'v1', 'namespaces', namespace, 'configmaps', name];

  /**
   * Discovered once (https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api) instead of guessed.
   */
  const evictionVersion = async (): Promise<EvictionVersion | Refusal> => {
    if (discovered.evictionVersion !== undefined) return discovered.evictionVersion;
    const found = await call({ verb: 'get', path: ['api', 'v1'] }, ({ status, body }) =>
      status === 200 ? readEvictionVersion(body) : undefined,
    );
    if (found.kind === 'refused') return found;
    discovered.evictionVersion = found.version;
    return found.version;
  };

  return {
    review: (access) =>
      call(
        {
          verb: 'create',
          path: ['apis', 'authorization.k8s.io', 'v1', 'selfsubjectaccessreviews'],
          body: accessReview(access),
        },
        ({ status, body }) => {
          const allowed = objectAt(objectAt(body)?.status)?.allowed;
          if (status < 200 || status > 299 || typeof allowed !== 'boolean') return undefined;
          return { kind: 'reviewed', allowed } as const;
        },
      ),
    getPod: () =>
      call<PodFacts | Absent>({ verb: 'get', path: podPath }, ({ status, body }) => {
        if (status === 404) return { kind: 'absent' };
        return status === 200 ? readPod(body, pod) : undefined;
      }),
    deletePod: (uid, confirm) =>
      call({ verb: 'delete', path: podPath, body: deleteOptions(uid), confirm }, gone),
    async evictPod(uid, confirm) {
      const version = await evictionVersion();
      if (typeof version !== 'string') return version;
      const body = eviction(version, namespace, pod, uid);
      const answer = await call({ verb: 'create', path: [...podPath, 'eviction'], body, confirm }, gone);
      // The API server may have been upgraded in the meantime, so ask again next time.
      if (answer.kind === 'refused' && answer.status === 400) discovered.evictionVersion = undefined;
      return answer;
    },
    createEvent: (uid, text) =>
      call(
        {
          verb: 'create',
          path: ['apis', 'events.k8s.io', 'v1', 'namespaces', namespace, 'events'],
          body: podEvent(namespace, pod, uid, text),
          deadlineMs: eventDeadlineMs,
        },
        ({ status }) => (status >= 200 && status < 300 ? ({ kind: 'done', status } as const) : undefined),
      ),
    getConfigMap: (name) =>
      call({ verb: 'get', path: configMapPath(name) }, ({ status, body }) =>
        status === 200 ? readConfigMap(body) : undefined,
      ),
    patchConfigMap: (name, resourceVersion, key, value) =>
      call(
        {
          verb: 'patch',
          path: configMapPath(name),
          body: configMapPatch(resourceVersion, key, value),
        },
        ({ status, body }) => (status === 200 ? readConfigMap(body) : undefined),
      ),
  };
}

function refusal(facts: Partial<Refusal> & { readonly detail: string }): Refusal {
  const empty = { status: undefined, code: undefined, retryAfterMs: undefined, byDisruptionBudget: false };
  return { kind: 'refused', ...empty, ...facts };
}

/** Converts the API server's Status object, or whatever came instead, into a refusal. */
function refuse(request: KubeRequest, { status, body, retryAfterMs }: KubeReply): Refusal {
  const answer = objectAt(body);
  const details = objectAt(answer?.details);
  const causes = Array.isArray(details?.causes) ? details.causes : [];
  const success = status >= 200 && status < 300;
  const message = success
    ? 'unexpected response format'
    : typeof answer?.message === 'string'
      ? answer.message
      : 'no message';
  return refusal({
    status: success ? undefined : status,
    code: success ? 'body' : undefined,
    detail: `${request.verb} /${request.path.join('/')}: ${status} ${message.slice(0, 500)}`,
    retryAfterMs,
    byDisruptionBudget:
      status === 429 && causes.some((cause: unknown) => objectAt(cause)?.reason === 'DisruptionBudget'),
  });
}

type JsonObject = Readonly<Record<string, unknown>>;

function objectAt(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}

function readPod(body: unknown, name: PodName): PodFacts | undefined {
  const metadata = objectAt(objectAt(body)?.metadata);
  const uid = parsePodUid(metadata?.uid);
  if (metadata === undefined || metadata.name !== name || uid === undefined) return undefined;
  const owners: readonly unknown[] = Array.isArray(metadata.ownerReferences) ? metadata.ownerReferences : [];
  const owner = owners.map(objectAt).find((candidate) => candidate?.controller === true);
  const hash = objectAt(metadata.labels)?.['pod-template-hash'];
  return {
    kind: 'pod',
    uid,
    terminating: typeof metadata.deletionTimestamp === 'string',
    controller:
      typeof owner?.kind === 'string' && typeof owner.name === 'string'
        ? { kind: owner.kind, name: owner.name }
        : undefined,
    templateHash: typeof hash === 'string' ? hash : undefined,
  };
}

/** Reads, from the core API's resource list, the group and version that the subresource `pods/eviction` accepts. */
function readEvictionVersion(body: unknown) {
  const resources = objectAt(body)?.resources;
  const list: readonly unknown[] = Array.isArray(resources) ? resources : [];
  const entry = list.map(objectAt).find((resource) => resource?.name === 'pods/eviction');
  const version = evictionVersions.find((known) => known === `${entry?.group}/${entry?.version}`);
  return version === undefined ? undefined : ({ kind: 'found', version } as const);
}

function readConfigMap(body: unknown): ConfigMapFacts | undefined {
  const metadata = objectAt(objectAt(body)?.metadata);
  const data = objectAt(body)?.data ?? {};
  if (typeof metadata?.resourceVersion !== 'string' || objectAt(data) === undefined) return undefined;
  if (!Object.values(data).every((value) => typeof value === 'string')) return undefined;
  return {
    kind: 'config_map',
    resourceVersion: metadata.resourceVersion,
    data: data as Record<string, string>,
  };
}
