import {
  type ConfigMapName,
  type Namespace,
  type PodName,
  type PodUid,
  parseConfigMapName,
  parseNamespace,
  parsePodName,
  parsePodUid,
  podNameRule,
} from './kube/names.ts';

/** Environment variables, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What the environment says about the pod and its cluster. */
export interface PodEnvironment {
  readonly host: string;
  readonly port: number;
  readonly pod: PodName;
  /** Undefined means that it is in the service account's file `namespace`. */
  readonly namespace: Namespace | undefined;
  /** Undefined if the variable is not set. */
  readonly uid: PodUid | undefined;
  readonly configMap: ConfigMapName;
  readonly serviceAccountDir: string;
}

/** Why the watchdog cannot act in this environment. Variables never change, so there is no retry. */
export interface EnvironmentProblem {
  readonly reason: 'not_in_cluster' | 'pod_name_missing' | 'variable_invalid';
  readonly detail: string;
}

/** The kubelet's default folder for the service account's files. */
export const defaultServiceAccountDir = '/var/run/secrets/kubernetes.io/serviceaccount';
/** The default ConfigMap of the restart budget; `WATCHDOG_BUDGET_CONFIGMAP` overrides it. */
export const defaultBudgetConfigMap = 'mount-monitor-budget';

const downwardApi = 'set it from the downward API, as in deploy/';

/**
 * Parses `KUBERNETES_SERVICE_HOST`, `KUBERNETES_SERVICE_PORT`, `POD_NAME`, `POD_NAMESPACE`, `POD_UID`,
 * `WATCHDOG_BUDGET_CONFIGMAP` and `WATCHDOG_SERVICE_ACCOUNT_DIR`. Invalid names are reported as a problem and never
 * become part of a request.
 */
export function parseEnvironment(env: Environment): PodEnvironment | EnvironmentProblem {
  const host = (env.KUBERNETES_SERVICE_HOST ?? '').replace(/^\[(.*)\]$/, '$1');
  const portText = env.KUBERNETES_SERVICE_PORT ?? '';
  if (host === '' || portText === '') {
    const detail = 'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set';
    return { reason: 'not_in_cluster', detail: `not running in a Kubernetes pod: ${detail}` };
  }
  if (!/^[0-9A-Za-z]([-.:%0-9A-Za-z]*[0-9A-Za-z])?$|^::[0-9A-Fa-f:.]*$/.test(host)) {
    return invalid('KUBERNETES_SERVICE_HOST', 'a host name or an IP address', host);
  }
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > 65_535) {
    return invalid('KUBERNETES_SERVICE_PORT', 'a port from 1 to 65535', portText);
  }
  const podText = env.POD_NAME ?? '';
  if (podText === '') {
    return { reason: 'pod_name_missing', detail: `POD_NAME is empty or not set; ${downwardApi}` };
  }
  const pod = parsePodName(podText);
  if (pod === undefined) return invalid('POD_NAME', podNameRule, podText);
  const namespace = parseOptional(env.POD_NAMESPACE, parseNamespace);
  if (namespace === null) {
    const rule = 'lower-case letters, digits and "-" (RFC 1123 label), 1 to 63 characters';
    return invalid('POD_NAMESPACE', rule, env.POD_NAMESPACE ?? '');
  }
  const uid = parseOptional(env.POD_UID, parsePodUid);
  if (uid === null) return invalid('POD_UID', 'a uid of 1 to 128 characters', env.POD_UID ?? '');
  const configMap = parseConfigMapName(env.WATCHDOG_BUDGET_CONFIGMAP || defaultBudgetConfigMap);
  if (configMap === undefined) {
    return invalid('WATCHDOG_BUDGET_CONFIGMAP', podNameRule, env.WATCHDOG_BUDGET_CONFIGMAP ?? '');
  }
  const serviceAccountDir = env.WATCHDOG_SERVICE_ACCOUNT_DIR || defaultServiceAccountDir;
  return { host, port, pod, namespace, uid, configMap, serviceAccountDir };
}

function parseOptional<Parsed>(
  text: string | undefined,
  parse: (text: string) => Parsed | undefined,
): Parsed | undefined | null {
  return text === undefined || text === '' ? undefined : (parse(text) ?? null);
}

function invalid(variable: string, expected: string, found: string): EnvironmentProblem {
  const shown = JSON.stringify(found.length > 80 ? `${found.slice(0, 80)}…` : found);
  return {
    reason: 'variable_invalid',
    detail: `${variable}: expected ${expected}, found ${shown}; ${downwardApi}`,
  };
}
