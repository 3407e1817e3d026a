import { randomUUID } from 'node:crypto';

/** A request as it arrives at the API server. */
export interface ApiRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly authorization: string | undefined;
  readonly contentType: string | undefined;
  /** The raw body. */
  readonly body: string;
}

/** The outcome of a request: an answer, a broken connection, silence, or an answer that breaks off in the middle. */
export type ApiOutcome =
  | {
      readonly kind: 'reply';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: unknown;
    }
  | { readonly kind: 'reset' }
  | { readonly kind: 'silence' }
  | { readonly kind: 'truncated' }
  | { readonly kind: 'flood' };

/** An RBAC rule; without names it applies to every object of the resource. */
export interface Rule {
  readonly verb: string;
  /** With the subresource, as in RBAC: `pods`, `pods/eviction`. */
  readonly resource: string;
  readonly names?: readonly string[];
}

export interface FakePod {
  readonly name: string;
  readonly uid: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly owner?: {
    readonly kind: string;
    readonly name: string;
    readonly uid: string;
    readonly controller?: boolean;
  };
  deletionTimestamp?: string;
}

/** A fault for the next matching requests; `after` lets the request take effect before the fault occurs. */
export interface Fault {
  readonly matches: (call: ApiCall) => boolean;
  times: number;
  readonly outcome: ApiOutcome;
  readonly after?: boolean;
}

/** A parsed request: which verb on which object. */
export interface ApiCall {
  readonly verb: string;
  /** With the subresource: `pods/eviction`. */
  readonly resource: string;
  readonly name: string | undefined;
  readonly group: string;
  readonly request: ApiRequest;
}

interface StoredConfigMap {
  readonly data: Readonly<Record<string, string>>;
  readonly resourceVersion: number;
}

/**
 * The part of a Kubernetes API server that the watchdog uses, in memory: authentication by bearer token, RBAC,
 * SelfSubjectAccessReview that respects the name, pods with preconditions, evictions under a disruption budget, events,
 * and ConfigMaps with resourceVersion conflicts. Faults can be injected into any of it. Like the real one, it deletes
 * every pod of the namespace on DELETE `/pods`.
 */
export class FakeCluster {
  readonly namespace: string;
  readonly pods = new Map<string, FakePod>();
  readonly configMaps = new Map<string, StoredConfigMap>();
  readonly events: Readonly<Record<string, unknown>>[] = [];
  readonly calls: ApiCall[] = [];
  readonly faults: Fault[] = [];
  /** Accepted deletions and evictions, oldest first, with the time from {@link now}. */
  readonly removals: { readonly name: string; readonly uid: string; readonly at: number }[] = [];
  readonly tokens = new Set<string>();
  rules: Rule[] = [];
  /** How many more evictions the disruption budget allows; undefined without a budget. */
  disruptionsAllowed: number | undefined;
  /** The accepted versions of Eviction; discovery reports the first one. */
  evictionVersions: readonly string[] = ['policy/v1'];
  now: () => number = Date.now;
  #resourceVersion = 1000;

  constructor(namespace = 'media') {
    this.namespace = namespace;
  }

  /** Adds a pod under a ReplicaSet of the Deployment `media` and returns it. */
  addPod(pod: Partial<FakePod> & { readonly name: string }): FakePod {
    const added: FakePod = {
      uid: randomUUID(),
      labels: { 'pod-template-hash': '7d4b9c' },
      owner: { kind: 'ReplicaSet', name: 'media-7d4b9c', uid: randomUUID(), controller: true },
      ...pod,
    };
    this.pods.set(added.name, added);
    return added;
  }

  putConfigMap(name: string, data: Readonly<Record<string, string>> = {}): void {
    this.#resourceVersion += 1;
    this.configMaps.set(name, { data, resourceVersion: this.#resourceVersion });
  }

  fail(
    matches: Fault['matches'],
    outcome: ApiOutcome,
    options: { times?: number; after?: boolean } = {},
  ): void {
    this.faults.push({ matches, outcome, times: options.times ?? 1, after: options.after ?? false });
  }

  handle(request: ApiRequest): ApiOutcome {
    const call = parseCall(request);
    this.calls.push(call);
    const fault = this.faults.find((candidate) => candidate.times > 0 && candidate.matches(call));
    if (fault !== undefined) {
      fault.times -= 1;
      if (fault.after === true) this.#answer(call);
      return fault.outcome;
    }
    return this.#answer(call);
  }

  #answer(call: ApiCall): ApiOutcome {
    const { request, verb, resource, name } = call;
    const token = /^Bearer (\S+)$/.exec(request.authorization ?? '')?.[1];
    if (token === undefined || !this.tokens.has(token)) return status(401, 'Unauthorized', 'Unauthorized');

    const body = request.body === '' ? undefined : parseJson(request.body);
    if (body === null) return status(400, 'BadRequest', 'the body is no JSON object');
    // Every authenticated account may read it: ClusterRole system:discovery.
    if (request.method === 'GET' && request.path === '/api/v1') return this.#discovery();
    if (resource === 'selfsubjectaccessreviews') return this.#review(body);
    if (!request.path.startsWith(this.#prefix(call))) return status(404, 'NotFound', 'no such path');
    if (!this.#allows(verb, resource, name)) {
      return status(
        403,
        'Forbidden',
        `${resource} "${name ?? ''}" is forbidden: User "system:serviceaccount:${this.namespace}:media" cannot ${verb} resource "${resource}"`,
      );
    }
    const allowedType = verb === 'patch' ? 'application/merge-patch+json' : 'application/json';
    if (body !== undefined && request.contentType !== allowedType) {
      return status(415, 'UnsupportedMediaType', `unsupported content type ${request.contentType ?? 'none'}`);
    }
    switch (`${verb} ${resource}`) {
      case 'get pods':
        return this.#getPod(name ?? '');
      case 'delete pods':
        return this.#deletePod(name ?? '', body);
      case 'deletecollection pods':
        for (const pod of this.pods.values()) this.#remove(pod);
        return reply(200, { kind: 'PodList', apiVersion: 'v1', items: [] });
      case 'create pods/eviction':
        return this.#evict(name ?? '', body);
      case 'create events':
        return this.#createEvent(body);
      case 'get configmaps':
        return this.#getConfigMap(name ?? '');
      case 'patch configmaps':
        return this.#patchConfigMap(name ?? '', body);
      default:
        return status(
          405,
          'MethodNotAllowed',
          'the server does not allow this method on the requested resource',
        );
    }
  }

  #prefix({ group }: ApiCall): string {
    return `${group === '' ? '/api/v1' : `/apis/${group}`}/namespaces/${this.namespace}/`;
  }

  #allows(verb: string, resource: string, name: string | undefined): boolean {
    return this.rules.some(
      (rule) =>
        (rule.verb === verb || rule.verb === '*') &&
        rule.resource === resource &&
        (rule.names === undefined || (name !== undefined && rule.names.includes(name))),
    );
  }

  #review(body: JsonObject | undefined): ApiOutcome {
    const attributes = object(object(body?.spec)?.resourceAttributes);
    if (body?.kind !== 'SelfSubjectAccessReview' || attributes === undefined) {
      return status(400, 'BadRequest', 'not a SelfSubjectAccessReview');
    }
    const { verb, resource, subresource, name, namespace } = attributes;
    const full = `${resource}${subresource === undefined || subresource === '' ? '' : `/${subresource}`}`;
    const allowed =
      namespace === this.namespace &&
      this.#allows(String(verb), full, name === undefined || name === '' ? undefined : String(name));
    return reply(201, {
      ...body,
      status: { allowed, reason: allowed ? 'RBAC: allowed by RoleBinding' : '' },
    });
  }

  /** Lists the subresource like a real server: in the group of its body, not the core group. */
  #discovery(): ApiOutcome {
    const [group, version] = (this.evictionVersions[0] ?? '').split('/');
    const eviction = {
      name: 'pods/eviction',
      namespaced: true,
      group,
      version,
      kind: 'Eviction',
      verbs: ['create'],
    };
    const pods = { name: 'pods', namespaced: true, kind: 'Pod', verbs: ['create', 'delete', 'get'] };
    return reply(200, { kind: 'APIResourceList', groupVersion: 'v1', resources: [pods, eviction] });
  }

  #getPod(name: string): ApiOutcome {
    const pod = this.pods.get(name);
    return pod === undefined ? notFound('pods', name) : reply(200, podObject(pod, this.namespace));
  }

  #deletePod(name: string, body: JsonObject | undefined): ApiOutcome {
    const pod = this.pods.get(name);
    if (pod === undefined) return notFound('pods', name);
    if (body !== undefined && body.kind !== 'DeleteOptions')
      return status(400, 'BadRequest', 'no DeleteOptions');
    const refused = this.#checkPreconditions(pod, body);
    if (refused !== undefined) return refused;
    this.#remove(pod);
    return reply(200, podObject(pod, this.namespace));
  }

  #evict(name: string, body: JsonObject | undefined): ApiOutcome {
    if (body?.kind !== 'Eviction' || object(body.metadata)?.name !== name) {
      return status(400, 'BadRequest', `name in URL does not match name in Eviction object`);
    }
    // The observed answer of a 1.20 server to policy/v1.
    if (!this.evictionVersions.includes(String(body.apiVersion))) {
      const version = String(body.apiVersion);
      return status(
        400,
        'BadRequest',
        `no kind "Eviction" is registered for version "${version}" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"`,
      );
    }
    const pod = this.pods.get(name);
    if (pod === undefined) return notFound('pods', name);
    const refused = this.#checkPreconditions(pod, object(body.deleteOptions));
    if (refused !== undefined) return refused;
    if (pod.deletionTimestamp === undefined && this.disruptionsAllowed !== undefined) {
      if (this.disruptionsAllowed === 0) {
        return status(
          429,
          'TooManyRequests',
          "Cannot evict pod as it would violate the pod's disruption budget.",
          {},
          {
            causes: [
              { reason: 'DisruptionBudget', message: 'The disruption budget media needs 1 healthy pods' },
            ],
          },
        );
      }
      this.disruptionsAllowed -= 1;
    }
    this.#remove(pod);
    return reply(201, { kind: 'Status', apiVersion: 'v1', status: 'Success', code: 201 });
  }

  #checkPreconditions(pod: FakePod, options: JsonObject | undefined): ApiOutcome | undefined {
    const uid = object(options?.preconditions)?.uid;
    if (uid === undefined || uid === pod.uid) return undefined;
    const message = `Precondition failed: UID in precondition: ${String(uid)}, UID in object meta: ${pod.uid}`;
    return status(409, 'Conflict', message);
  }

  #remove(pod: FakePod): void {
    if (pod.deletionTimestamp !== undefined) return;
    pod.deletionTimestamp = new Date(this.now()).toISOString();
    this.removals.push({ name: pod.name, uid: pod.uid, at: this.now() });
  }

  /** Validates like https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/events.go. */
  #createEvent(body: JsonObject | undefined): ApiOutcome {
    const metadata = object(body?.metadata);
    const regarding = object(body?.regarding);
    const text = (value: unknown, most: number) =>
      typeof value === 'string' && value.length > 0 && value.length <= most;
    const invalid =
      body?.kind !== 'Event' || body.apiVersion !== 'events.k8s.io/v1'
        ? 'kind'
        : metadata?.namespace !== this.namespace || regarding?.namespace !== metadata.namespace
          ? 'metadata.namespace'
          : !text(metadata.name ?? metadata.generateName, 253)
            ? 'metadata.name'
            : typeof body.eventTime !== 'string' ||
                !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(body.eventTime)
              ? 'eventTime'
              : !text(body.reportingController, 253)
                ? 'reportingController'
                : !text(body.reportingInstance, 128)
                  ? 'reportingInstance'
                  : !text(body.action, 128)
                    ? 'action'
                    : !text(body.reason, 128)
                      ? 'reason'
                      : typeof body.note !== 'string' || Buffer.byteLength(body.note) > 1024
                        ? 'note'
                        : body.type !== 'Normal' && body.type !== 'Warning'
                          ? 'type'
                          : undefined;
    if (invalid !== undefined || body === undefined) {
      return status(422, 'Invalid', `Event is invalid: ${invalid ?? 'no body'}`);
    }
    this.events.push(body);
    return reply(201, body);
  }

  #getConfigMap(name: string): ApiOutcome {
    const stored = this.configMaps.get(name);
    return stored === undefined
      ? notFound('configmaps', name)
      : reply(200, configMapObject(name, this.namespace, stored));
  }

  /** A merge patch (https://www.rfc-editor.org/rfc/rfc7396); with a resourceVersion it applies only to that version. */
  #patchConfigMap(name: string, body: JsonObject | undefined): ApiOutcome {
    const stored = this.configMaps.get(name);
    if (stored === undefined) return notFound('configmaps', name);
    const wanted = object(body?.metadata)?.resourceVersion;
    if (wanted !== undefined && wanted !== String(stored.resourceVersion)) {
      const message = `Operation cannot be fulfilled on configmaps "${name}": the object has been modified; please apply your changes to the latest version and try again`;
      return status(409, 'Conflict', message);
    }
    const data: Record<string, string> = { ...stored.data };
    for (const [key, value] of Object.entries(object(body?.data) ?? {})) {
      if (value === null) delete data[key];
      else if (typeof value === 'string') data[key] = value;
      else return status(422, 'Invalid', `data.${key} is no text`);
    }
    this.putConfigMap(name, data);
    return this.#getConfigMap(name);
  }
}

/** An error answer in the API server's format. */
export function status(
  code: number,
  reason: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
  details: JsonObject = {},
): ApiOutcome {
  const body = { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, details, code };
  return reply(code, body, headers);
}

export function reply(
  code: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): ApiOutcome {
  return { kind: 'reply', status: code, headers, body };
}

type JsonObject = Readonly<Record<string, unknown>>;

function object(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}

function parseJson(text: string): JsonObject | null {
  try {
    return object(JSON.parse(text)) ?? null;
  } catch {
    return null;
  }
}

const verbs: Readonly<Record<string, string>> = {
  GET: 'get',
  POST: 'create',
  PATCH: 'patch',
  DELETE: 'delete',
};

function parseCall(request: ApiRequest): ApiCall {
  const core = /^\/api\/v1\/namespaces\/[^/]*\/(.*)$/.exec(request.path);
  const grouped = /^\/apis\/([^/]+\/[^/]+)\/(?:namespaces\/[^/]*\/)?(.*)$/.exec(request.path);
  if (request.path === '/api/v1')
    return { verb: 'get', resource: 'discovery', name: undefined, group: '', request };
  const [resource = '', name, subresource] = (core?.[1] ?? grouped?.[2] ?? '').split('/');
  const method = verbs[request.method] ?? request.method;
  return {
    verb: name === undefined || name === '' ? (method === 'delete' ? 'deletecollection' : method) : method,
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    name: name === '' ? undefined : name,
    group: core === null ? (grouped?.[1] ?? '') : '',
    request,
  };
}

function notFound(resource: string, name: string): ApiOutcome {
  return status(404, 'NotFound', `${resource} "${name}" not found`);
}

function podObject(pod: FakePod, namespace: string): object {
  const { owner } = pod;
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      name: pod.name,
      namespace,
      uid: pod.uid,
      resourceVersion: '1',
      labels: pod.labels,
      ownerReferences: owner === undefined ? undefined : [{ apiVersion: 'apps/v1', ...owner }],
      deletionTimestamp: pod.deletionTimestamp,
      deletionGracePeriodSeconds: pod.deletionTimestamp === undefined ? undefined : 30,
    },
    spec: { containers: [{ name: 'app', image: 'app' }] },
    status: { phase: 'Running' },
  };
}

function configMapObject(name: string, namespace: string, stored: StoredConfigMap): object {
  return {
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { name, namespace, uid: 'c0ffee', resourceVersion: String(stored.resourceVersion) },
    data: stored.data,
  };
}
