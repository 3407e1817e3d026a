import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as apps from 'kubernetes-models/apps/v1';
import * as rbac from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import type { Container, PodSpec } from 'kubernetes-models/v1';
import * as core from 'kubernetes-models/v1';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { parseConfig } from '../config/config.ts';
import { configSchema } from '../config/schema.ts';
import { need } from '../testing/needs.ts';
import { defaultBudgetConfigMap, defaultServiceAccountDir } from '../watchdog/environment.ts';
import { exitModeCode } from '../watchdog/index.ts';

const deploy = join(import.meta.dirname, '../../deploy');
const execute = promisify(execFile);

interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}
type ContainerSpec = InstanceType<typeof Container>;
type Pod = InstanceType<typeof PodSpec>;

const models: Readonly<Record<string, new (data: never) => { validate(): void }>> = {
  'apps/v1 Deployment': apps.Deployment,
  'apps/v1 StatefulSet': apps.StatefulSet,
  'rbac.authorization.k8s.io/v1 Role': rbac.Role,
  'rbac.authorization.k8s.io/v1 RoleBinding': rbac.RoleBinding,
  'v1 ServiceAccount': core.ServiceAccount,
  'v1 ConfigMap': core.ConfigMap,
  'v1 Namespace': core.Namespace,
};

function readObjects(text: string): readonly KubeObject[] {
  return parseAllDocuments(text).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as KubeObject;
  });
}

/** The models check the types of the fields that they know, and let others pass: a misspelt one goes unnoticed. */
async function fieldNames(): Promise<ReadonlySet<string>> {
  const root = dirname(fileURLToPath(import.meta.resolve('kubernetes-models')));
  const meta = dirname(
    fileURLToPath(import.meta.resolve('@kubernetes-models/apimachinery/apis/meta/v1/ObjectMeta')),
  );
  const folders = ['v1', 'apps/v1', 'rbac.authorization.k8s.io/v1'].map((folder) => join(root, folder));
  const names = new Set<string>();
  for (const folder of [...folders, meta]) {
    for (const file of (await readdir(folder)).filter((name) => name.endsWith('.d.ts'))) {
      const text = await readFile(join(folder, file), 'utf8');
      for (const [, name] of text.matchAll(/^ {4}"(\w+)"\??:/gm)) names.add(name ?? '');
    }
  }
  return names;
}

/** Every field's name, but not the keys of maps that are free. */
function fieldsOf(value: unknown): readonly string[] {
  const free = new Set(['labels', 'matchLabels', 'annotations', 'data', 'limits', 'requests', 'emptyDir']);
  if (Array.isArray(value)) return value.flatMap(fieldsOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [name, ...(free.has(name) ? [] : fieldsOf(inner))]);
}

const examples = [
  ['example', 'plain/deployment.yaml', 'Deployment'],
  ['example-statefulset', 'plain/statefulset.yaml', 'StatefulSet'],
] as const;

const kubectl = await execute('kubectl', ['version', '--client']).then(
  () => true,
  () => false,
);

describe.each(examples)('%s', (folder, file, kind) => {
  const load = async () => {
    const objects = readObjects(await readFile(join(deploy, file), 'utf8'));
    const one = <Type>(wanted: string, name?: string): Type => {
      const found = objects.filter(
        (each) => each.kind === wanted && (name ?? each.metadata.name) === each.metadata.name,
      );
      expect(found, `${wanted} ${name ?? ''}`).toHaveLength(1);
      return found[0] as Type;
    };
    const workload = one<{ spec: { template: { spec: Pod } } }>(kind);
    const pod = workload.spec.template.spec;
    const monitor = pod.initContainers?.find(({ name }) => name === 'mount-monitor') as ContainerSpec;
    return { objects, one, pod, monitor };
  };

  need(
    'kubectl',
    kubectl,
    'on the path (Debian package kubernetes-client)',
  )('is rendered by kubectl to what stands in plain/', async () => {
    const { stdout } = await execute('kubectl', ['kustomize', join(deploy, folder)], { timeout: 60_000 });
    const plain = await readFile(join(deploy, file), 'utf8');
    expect(readObjects(stdout)).toEqual(readObjects(plain));
  });

  it('holds objects of the Kubernetes types only', async () => {
    const { objects } = await load();
    expect(objects.length).toBeGreaterThan(5);
    for (const object of objects) {
      const Model = models[`${object.apiVersion} ${object.kind}`];
      if (Model === undefined) throw new Error(`no model for ${object.apiVersion} ${object.kind}`);
      new Model(object as never).validate();
      if (object.kind !== 'Namespace') expect(object.metadata.namespace, object.kind).toBe('media');
    }
  });

  it('uses no field that the Kubernetes types do not have', async () => {
    const { objects } = await load();
    const known = await fieldNames();
    expect(known).toContain('mountPropagation');
    expect(known).not.toContain('mountPropogation');
    expect(objects.flatMap((object) => fieldsOf(object)).filter((field) => !known.has(field))).toEqual([]);
  });

  it('gives the sidecar no privileges', async () => {
    const { monitor, pod } = await load();
    expect(monitor.securityContext).toEqual({
      runAsNonRoot: true,
      runAsUser: 65534,
      runAsGroup: 65534,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(monitor.resources?.limits?.memory).toBe('64Mi');
    expect(pod.hostNetwork ?? pod.hostPID ?? pod.hostIPC).toBeUndefined();
    expect(monitor.volumeMounts?.every(({ readOnly }) => readOnly === true)).toBe(true);
  });

  it('gives the token to the sidecar alone', async () => {
    const { monitor, pod } = await load();
    expect(pod.automountServiceAccountToken).toBe(false);
    const tokens = pod.volumes?.filter((volume) =>
      volume.projected?.sources?.some((source) => source.serviceAccountToken !== undefined),
    );
    expect(tokens?.map(({ name }) => name)).toEqual(['kube-api-access']);
    const mounted = (container: ContainerSpec) =>
      container.volumeMounts?.find(({ name }) => name === 'kube-api-access')?.mountPath;
    expect(mounted(monitor)).toBe(defaultServiceAccountDir);
    const others = [...(pod.initContainers ?? []), ...pod.containers].filter(
      ({ name }) => name !== monitor.name,
    );
    expect(others.length).toBeGreaterThan(0);
    expect(others.map((container) => mounted(container as ContainerSpec))).toEqual(
      others.map(() => undefined),
    );
  });

  it('is a native sidecar that starts last, once what makes mounts in the pod is up', async () => {
    const { monitor, pod } = await load();
    expect(monitor.restartPolicy).toBe('Always');
    expect(pod.initContainers?.at(-1)?.name).toBe('mount-monitor');
    for (const container of pod.initContainers ?? []) {
      expect(container.restartPolicy, container.name).toBe('Always');
      expect(container.startupProbe, container.name).toBeDefined();
    }
    // A container that makes mounts but starts after the monitor would wait for it for ever.
    const makesMounts = pod.containers.filter((container) =>
      container.volumeMounts?.some(({ mountPropagation }) => mountPropagation === 'Bidirectional'),
    );
    expect(makesMounts).toEqual([]);
  });

  it('has each probe at the endpoint that is about it', async () => {
    const { monitor, pod } = await load();
    expect(monitor.startupProbe?.httpGet?.path).toBe('/healthz/ready');
    expect(monitor.readinessProbe?.httpGet?.path).toBe('/healthz/ready');
    expect(monitor.livenessProbe?.httpGet?.path).toBe('/healthz/self');
    const [application] = pod.containers;
    expect(application?.livenessProbe?.httpGet).toEqual({ path: '/healthz/live', port: 8080 });
    expect(configSchema.entries.httpPort.default).toBe(8080);
    expect(monitor.ports?.[0]?.containerPort).toBe(8080);
  });

  it('shows new mounts to the sidecar and the application, and shares the process namespace', async () => {
    const { monitor, pod } = await load();
    for (const container of [monitor, pod.containers[0]]) {
      const mounts = container?.volumeMounts?.find(({ name }) => name === 'mounts');
      expect(mounts).toMatchObject({ mountPath: '/mnt', mountPropagation: 'HostToContainer' });
    }
    expect(pod.shareProcessNamespace).toBe(true);
  });

  it('tells the watchdog its pod from the downward API', async () => {
    const { monitor } = await load();
    const fields = monitor.env?.map(({ name, valueFrom }) => [name, valueFrom?.fieldRef?.fieldPath]);
    expect(fields).toEqual([
      ['POD_NAME', 'metadata.name'],
      ['POD_NAMESPACE', 'metadata.namespace'],
      ['POD_UID', 'metadata.uid'],
    ]);
  });

  it('allows what the watchdog does and nothing else', async () => {
    const { one, pod } = await load();
    const { rules } = one<InstanceType<typeof rbac.Role>>('Role');
    const names = ['media-0', 'media-1'];
    const budget = {
      apiGroups: [''],
      resources: ['configmaps'],
      resourceNames: [defaultBudgetConfigMap],
      verbs: ['get', 'patch'],
    };
    const events = { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] };
    expect(rules).toEqual(
      kind === 'Deployment'
        ? [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'delete'] }, events, budget]
        : [
            { apiGroups: [''], resources: ['pods'], resourceNames: names, verbs: ['get'] },
            events,
            budget,
            { apiGroups: [''], resources: ['pods/eviction'], resourceNames: names, verbs: ['create'] },
          ],
    );
    const binding = one<InstanceType<typeof rbac.RoleBinding>>('RoleBinding');
    expect(binding.roleRef.name).toBe('mount-monitor');
    expect(binding.subjects).toEqual([{ kind: 'ServiceAccount', name: 'mount-monitor', namespace: 'media' }]);
    expect(pod.serviceAccountName).toBe('mount-monitor');
  });

  it('makes the ConfigMap of the budget beforehand, without data', async () => {
    const { one } = await load();
    expect(one<{ data?: unknown }>('ConfigMap', defaultBudgetConfigMap).data).toBeUndefined();
  });

  it('holds a configuration without problems or warnings, below the mounted folder', async () => {
    const { one } = await load();
    const { data } = one<{ data: Record<string, string> }>('ConfigMap', 'mount-monitor-config');
    const parsed = parseConfig(data['config.json'] ?? '', file, { workingDirectory: '/', strictKeys: true });
    expect(parsed.warnings).toEqual([]);
    expect(parsed.config.mounts.every(({ absolutePath }) => absolutePath.startsWith('/mnt/'))).toBe(true);
    expect(parsed.config.watchdog.mode).toBe(kind === 'Deployment' ? 'delete' : 'evict');
  });
});

describe('the component for mode exit', () => {
  need(
    'kubectl',
    kubectl,
    'on the path (Debian package kubernetes-client)',
  )('restarts all containers on the watchdog’s own exit code, and may delete nothing', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'kustomize-'));
    await cp(deploy, join(parent, 'deploy'), { recursive: true });
    const folder = join(parent, 'deploy/example');
    const kustomization = await readFile(join(folder, 'kustomization.yaml'), 'utf8');
    await writeFile(
      join(folder, 'kustomization.yaml'),
      kustomization.replace('  - ../component\n', '  - ../component\n  - ../exit\n'),
    );
    const { stdout } = await execute('kubectl', ['kustomize', folder], { timeout: 60_000 });
    await rm(parent, { recursive: true });
    const objects = readObjects(stdout);
    const workload = objects.find(({ kind }) => kind === 'Deployment') as InstanceType<
      typeof apps.Deployment
    >;
    new apps.Deployment(workload).validate();
    const monitor = workload.spec?.template.spec?.initContainers?.at(-1);
    expect(monitor?.name).toBe('mount-monitor');
    expect(monitor?.restartPolicyRules).toEqual([
      { action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [exitModeCode] } },
    ]);
    const role = objects.find(({ kind }) => kind === 'Role') as InstanceType<typeof rbac.Role>;
    expect(role.rules?.flatMap(({ verbs }) => verbs)).toEqual(['get', 'create', 'get', 'patch']);
  });
});

it('every YAML file in deploy/ can be read', async () => {
  const files = (await readdir(deploy, { recursive: true })).filter((name) => name.endsWith('.yaml'));
  expect(files.length).toBeGreaterThan(9);
  for (const file of files) {
    const text = await readFile(join(deploy, file), 'utf8');
    expect(text, `${file}: tabs`).not.toContain('\t');
    if (!text.includes('\n---\n')) expect(parse(text), file).not.toBeNull();
  }
});
