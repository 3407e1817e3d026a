import { readFile } from 'node:fs/promises';
import type { RestartBudget, WatchdogMode } from '../config/watchdog-config.ts';
import type { LogFields } from '../log.ts';
import { ledgerKey, parseLedger } from './budget.ts';
import type { PodEnvironment } from './environment.ts';
import type { KubeApi, Refusal } from './kube/api.ts';
import { type Namespace, type PodUid, parseNamespace } from './kube/names.ts';
import type { Access } from './kube/requests.ts';
import { noControllerDetail } from './machine.ts';
import type { ArmOutcome } from './machine-types.ts';

export interface ArmOptions {
  readonly environment: PodEnvironment;
  readonly mode: WatchdogMode;
  readonly budget: RestartBudget | undefined;
  /** The uid that the pod must have: from `POD_UID`, or else the first one seen; undefined at first. */
  readonly uid: PodUid | undefined;
  /** Creates the API for the namespace that was found. */
  readonly connect: (namespace: Namespace) => KubeApi;
}

/** The outcome of arming, and the API that was used. */
export interface Armed {
  readonly outcome: ArmOutcome;
  readonly api: KubeApi | undefined;
}

/**
 * Determines whether the watchdog may act: the namespace is known, the API server allows removing this exact pod, and
 * the pod exists, is this one, and has a controller that replaces it. Modes `exit` and `notify` work without the API
 * server; they use it only for the budget and the Events.
 */
export async function arm(options: ArmOptions): Promise<Armed> {
  const { environment, mode, budget } = options;
  const needsApi = mode === 'delete' || mode === 'evict';
  const found = await findNamespace(environment);
  if (typeof found !== 'string') {
    return needsApi ? { outcome: found, api: undefined } : withoutApi(found.detail, budget, undefined);
  }
  const namespace = found;
  const api = options.connect(namespace);
  if (needsApi) {
    const denied = await checkAccess(api, removal(mode, namespace, environment));
    if (denied !== undefined) return { outcome: denied, api };
  }
  const pod = await api.getPod();
  if (pod.kind === 'refused') {
    return needsApi ? { outcome: unreachable(pod), api } : withoutApi(pod.detail, budget, api);
  }
  if (pod.kind === 'absent') {
    const detail = `no pod ${environment.pod} in namespace ${namespace}; check POD_NAME and POD_NAMESPACE`;
    return { outcome: { kind: 'refused', reason: 'pod_not_found', detail }, api };
  }
  if (options.uid !== undefined && options.uid !== pod.uid) {
    return { outcome: { kind: 'replaced', detail: `expected uid ${options.uid}, found ${pod.uid}` }, api };
  }
  if (pod.terminating) return { outcome: { kind: 'terminating' }, api };
  if (needsApi && pod.controller === undefined) {
    return { outcome: { kind: 'refused', reason: 'no_controller', detail: noControllerDetail }, api };
  }
  // Mode exit restarts this pod's containers, but the pod stays, so its successors must not share its entries.
  const ledgerOf = mode === 'exit' ? { ...pod, controller: undefined } : pod;
  const key = ledgerKey(ledgerOf, environment.pod);
  const facts: LogFields = {
    pod: environment.pod,
    namespace,
    uid: pod.uid,
    controller: pod.controller === undefined ? undefined : `${pod.controller.kind}/${pod.controller.name}`,
  };
  const warning =
    budget === undefined || mode === 'notify' ? undefined : await budgetProblem(api, environment, key);
  return { outcome: { kind: 'armed', target: { uid: pod.uid, ledgerKey: key }, facts, warning }, api };
}

function withoutApi(detail: string, budget: RestartBudget | undefined, api: KubeApi | undefined): Armed {
  const warning = budget === undefined ? undefined : detail;
  const facts = { events: false, detail };
  return { outcome: { kind: 'armed', target: undefined, unreachable: detail, facts, warning }, api };
}

async function findNamespace(
  environment: PodEnvironment,
): Promise<Namespace | (ArmOutcome & { readonly kind: 'refused' })> {
  if (environment.namespace !== undefined) return environment.namespace;
  const path = `${environment.serviceAccountDir}/namespace`;
  const refused = (detail: string) => ({ kind: 'refused', reason: 'namespace_missing', detail }) as const;
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    return refused(`POD_NAMESPACE is not set and ${path} cannot be read (${code})`);
  }
  return parseNamespace(text) ?? refused(`POD_NAMESPACE is not set and ${path} contains no namespace`);
}

function removal(mode: WatchdogMode, namespace: Namespace, { pod }: PodEnvironment): Access {
  return mode === 'evict'
    ? { verb: 'create', resource: 'pods', subresource: 'eviction', namespace, name: pod }
    : { verb: 'delete', resource: 'pods', namespace, name: pod };
}

async function checkAccess(api: KubeApi, access: Access): Promise<ArmOutcome | undefined> {
  const answer = await api.review(access);
  if (answer.kind === 'refused') return unreachable(answer);
  if (answer.allowed) return undefined;
  const resource =
    access.subresource === undefined ? access.resource : `${access.resource}/${access.subresource}`;
  return {
    kind: 'refused',
    reason: 'access_denied',
    detail: `the service account may not ${access.verb} ${resource} "${access.name}" in namespace ${access.namespace}; bind it to the Role in deploy/`,
  };
}

function unreachable({ detail, retryAfterMs, status }: Refusal): ArmOutcome {
  const reason = status === 403 ? 'access_denied' : status === 401 ? 'unauthorized' : 'api_unreachable';
  return { kind: 'refused', reason, detail, retryAfterMs };
}

async function budgetProblem(
  api: KubeApi,
  { configMap }: PodEnvironment,
  key: string,
): Promise<string | undefined> {
  const read = await api.getConfigMap(configMap);
  if (read.kind === 'refused') return read.detail;
  return parseLedger(read.data[key]) === undefined
    ? `ConfigMap ${configMap}: key ${key} contains no list of restarts`
    : undefined;
}
