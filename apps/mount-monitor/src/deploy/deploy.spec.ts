import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as apps from 'kubernetes-models/apps/v1';
import type * as rbac from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { localRepository } from '../../testing/local-repository.ts';
import {
  alertedJob,
  type ContainerSpec,
  deployFolder,
  type KubeObject,
  kustomize,
  type Pod,
  readObjects,
  unknownFields,
  validateObject,
  works,
} from '../../testing/manifests.ts';
import { need } from '../../testing/needs.ts';
import { parseConfig } from '../config/config.ts';
import { configSchema } from '../config/schema.ts';
import { defaultBudgetConfigMap, defaultServiceAccountDir } from '../watchdog/environment.ts';
import { exitModeCode } from '../watchdog/index.ts';

const deploy = deployFolder;

const examples = [
  ['example', 'plain/deployment.yaml', 'Deployment'],
  ['example-statefulset', 'plain/statefulset.yaml', 'StatefulSet'],
] as const;

const kubectl = await works('kubectl', ['version', '--client']);
const needKubectl = need('kubectl', kubectl, 'on the path (Debian package kubernetes-client)');

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'deploy-'));
  folders.push(folder);
  return folder;
}

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

  needKubectl(`kubectl renders ${folder} to the file in plain/`, async () => {
    const plain = await readFile(join(deploy, file), 'utf8');
    expect(await kustomize(join(deploy, folder))).toEqual(readObjects(plain));
  });

  it('the example contains only objects of Kubernetes types', async () => {
    const { objects } = await load();
    expect(objects.length).toBeGreaterThan(5);
    for (const object of objects) {
      validateObject(object);
      if (object.kind !== 'Namespace') expect(object.metadata.namespace, object.kind).toBe('media');
    }
  });

  it('the example uses only fields of the Kubernetes types', async () => {
    const { objects } = await load();
    const misspelled = { ...objects[0], mountPropogation: '' } as unknown as KubeObject;
    expect(await unknownFields([...objects, misspelled])).toEqual(['mountPropogation']);
  });

  it('the sidecar gets no privileges', async () => {
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

  it('only the sidecar gets the token', async () => {
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

  it('the monitor is a native sidecar that starts last, after the containers that create mounts', async () => {
    const { monitor, pod } = await load();
    expect(monitor.restartPolicy).toBe('Always');
    expect(pod.initContainers?.at(-1)?.name).toBe('mount-monitor');
    for (const container of pod.initContainers ?? []) {
      expect(container.restartPolicy, container.name).toBe('Always');
      expect(container.startupProbe, container.name).toBeDefined();
    }
    // The monitor would wait forever for a container that creates mounts but starts after it.
    const makesMounts = pod.containers.filter((container) =>
      container.volumeMounts?.some(({ mountPropagation }) => mountPropagation === 'Bidirectional'),
    );
    expect(makesMounts).toEqual([]);
  });

  it('each of the monitor’s probes uses the matching endpoint', async () => {
    const { monitor, pod } = await load();
    expect(monitor.startupProbe?.httpGet?.path).toBe('/healthz/ready');
    expect(monitor.readinessProbe?.httpGet?.path).toBe('/healthz/ready');
    expect(monitor.livenessProbe?.httpGet?.path).toBe('/healthz/self');
    const [application] = pod.containers;
    expect(application?.livenessProbe?.httpGet).toEqual({ path: '/healthz/live', port: 8080 });
    expect(configSchema.entries.httpPort.default).toBe(8080);
    expect(monitor.ports?.[0]?.containerPort).toBe(8080);
  });

  it('new mounts reach the sidecar and the application, which share a process namespace', async () => {
    const { monitor, pod } = await load();
    for (const container of [monitor, pod.containers[0]]) {
      const mounts = container?.volumeMounts?.find(({ name }) => name === 'mounts');
      expect(mounts).toMatchObject({ mountPath: '/mnt', mountPropagation: 'HostToContainer' });
    }
    expect(pod.shareProcessNamespace).toBe(true);
  });

  it('the watchdog learns about its pod from the downward API', async () => {
    const { monitor } = await load();
    const fields = monitor.env?.map(({ name, valueFrom }) => [name, valueFrom?.fieldRef?.fieldPath]);
    expect(fields).toEqual([
      ['POD_NAME', 'metadata.name'],
      ['POD_NAMESPACE', 'metadata.namespace'],
      ['POD_UID', 'metadata.uid'],
    ]);
  });

  it('the role allows exactly what the watchdog does', async () => {
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

  it('the budget’s ConfigMap is created in advance, without data', async () => {
    const { one } = await load();
    expect(one<{ data?: unknown }>('ConfigMap', defaultBudgetConfigMap).data).toBeUndefined();
  });

  it('the configuration has no problems or warnings, and its mounts are below the mounted folder', async () => {
    const { one } = await load();
    const { data } = one<{ data: Record<string, string> }>('ConfigMap', 'mount-monitor-config');
    const parsed = parseConfig(data['config.json'] ?? '', file, { workingDirectory: '/', strictKeys: true });
    expect(parsed.warnings).toEqual([]);
    expect(parsed.config.mounts.every(({ absolutePath }) => absolutePath.startsWith('/mnt/'))).toBe(true);
    expect(parsed.config.watchdog.mode).toBe(kind === 'Deployment' ? 'delete' : 'evict');
  });
});

describe('components', () => {
  needKubectl(
    'exit restarts all containers on the watchdog’s exit code and may not delete anything',
    async () => {
      const objects = await renderWith((text) =>
        text.replace('  - ../account\n', '  - ../account\n  - ../exit\n'),
      );
      const workload = one<InstanceType<typeof apps.Deployment>>(objects, 'Deployment');
      new apps.Deployment(workload).validate();
      const monitor = workload.spec?.template.spec?.initContainers?.at(-1);
      expect(monitor?.name).toBe('mount-monitor');
      expect(monitor?.restartPolicyRules).toEqual([
        { action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [exitModeCode] } },
      ]);
      const role = one<InstanceType<typeof rbac.Role>>(objects, 'Role');
      expect(role.rules?.flatMap(({ verbs }) => verbs)).toEqual(['get', 'create', 'get', 'patch']);
    },
  );

  needKubectl(
    'component by itself adds a container, a volume and a label, and changes nothing else',
    async () => {
      const objects = await renderWith((text) => text.replace(/^ {2}- \.\.\/(?!component).*\n/gm, ''));
      const [before] = readObjects(await readFile(join(deploy, 'example/media.yaml'), 'utf8'));
      const { metadata, spec } = structuredClone(
        one<InstanceType<typeof apps.Deployment>>(objects, 'Deployment'),
      );
      const pod = spec?.template.spec;
      expect(pod?.initContainers?.pop()?.name).toBe('mount-monitor');
      expect(spec?.template.metadata?.labels).toEqual({ app: 'media', 'mount-monitor': 'mount-monitor' });
      const { spec: original } = before as unknown as { spec: { template: { spec: Pod } } };
      const volumes = pod?.volumes?.filter(({ name }) => name !== 'mount-monitor-config');
      expect({ ...pod, volumes }).toEqual(original.template.spec);
      expect(metadata?.name).toBe('media');
      expect(objects.map(({ kind }) => kind)).toEqual(['Namespace', 'ConfigMap', 'Deployment']);
    },
  );

  describe.each([
    ['liveness', '          livenessProbe: { exec: { command: ["true"] } }\n', 'livenessProbe'],
    ['account', '      serviceAccountName: mine\n', 'serviceAccountName'],
    ['account', '      automountServiceAccountToken: true\n', 'automountServiceAccountToken'],
    ['process-namespace', '      shareProcessNamespace: false\n', 'shareProcessNamespace'],
  ])('%s', (component, line, field) => {
    needKubectl(`${component} does not replace the application’s ${field}`, async () => {
      const after =
        field === 'livenessProbe' ? '          image: registry.example/app:1.0.0\n' : '    spec:\n';
      const own = (text: string) => text.replace(after, `${after}${line}`);
      await expect(renderWith((text) => text, own)).rejects.toThrow(
        new RegExp(`deploy/${component}'.*${field} failed: test failed`),
      );
    });
  });

  needKubectl('watchdog works with the application’s service account', async () => {
    const readme = await readFile(join(deploy, 'README.md'), 'utf8');
    const patch = /```yaml\n(patches:\n.*?RoleBinding.*?)```/s.exec(readme)?.[1] ?? '';
    const objects = await renderWith(
      (text) => `${text.replace('  - ../account\n', '')}${patch}`,
      (text) => text.replace('    spec:\n', '    spec:\n      serviceAccountName: media\n'),
    );
    const binding = one<InstanceType<typeof rbac.RoleBinding>>(objects, 'RoleBinding');
    expect(binding.subjects).toEqual([{ kind: 'ServiceAccount', name: 'media', namespace: 'media' }]);
    const pod = one<InstanceType<typeof apps.Deployment>>(objects, 'Deployment').spec?.template.spec;
    expect(pod?.serviceAccountName).toBe('media');
    expect(pod?.automountServiceAccountToken).toBeUndefined();
    expect(objects.filter(({ kind }) => kind === 'ServiceAccount')).toEqual([]);
  });

  needKubectl('README.md’s patches of the sidecar apply to the example', async () => {
    const readme = await readFile(join(deploy, 'README.md'), 'utf8');
    const patch = /## Change the sidecar\n.*?```yaml\n(patches:\n.*?)```/s.exec(readme)?.[1] ?? '';
    const objects = await renderWith((text) => `${text}${patch}`);
    const pod = one<InstanceType<typeof apps.Deployment>>(objects, 'Deployment').spec?.template.spec;
    const monitor = pod?.initContainers?.at(-1);
    expect(monitor).toMatchObject({
      name: 'mount-monitor',
      securityContext: { runAsUser: 1000, runAsGroup: 1000 },
      startupProbe: { httpGet: { path: '/healthz/self' } },
      readinessProbe: { httpGet: { path: '/healthz/self' } },
      resources: { limits: { memory: '128Mi' } },
    });
    expect(monitor?.volumeMounts).toContainEqual({ name: 'share', mountPath: '/share', readOnly: true });
  });

  needKubectl(
    'the NetworkPolicy opens the monitor’s port to only one namespace and leaves other ports open',
    async () => {
      const [policy] = (await renderWith((text) => text)).filter(({ kind }) => kind === 'NetworkPolicy');
      const { spec } = policy as unknown as {
        spec: {
          podSelector: { matchLabels: object };
          policyTypes: string[];
          ingress: { from?: unknown[]; ports: { protocol: string; port: number; endPort?: number }[] }[];
        };
      };
      expect(spec.policyTypes).toEqual(['Ingress']);
      expect(spec.podSelector.matchLabels).toEqual({ 'mount-monitor': 'mount-monitor' });
      const open = (port: number, protocol: string) =>
        spec.ingress
          .filter(({ ports }) =>
            ports.some(
              (each) =>
                each.protocol === protocol && each.port <= port && port <= (each.endPort ?? each.port),
            ),
          )
          .map(({ from }) => (from === undefined ? 'all' : 'some'));
      const { default: monitorPort } = configSchema.entries.httpPort;
      expect(open(monitorPort, 'TCP')).toEqual(['some']);
      const others = [1, 80, monitorPort - 1, monitorPort + 1, 32_400, 65_535];
      expect(others.map((port) => open(port, 'TCP'))).toEqual(others.map(() => ['all']));
      expect(open(monitorPort, 'UDP')).toEqual(['all']);
    },
  );

  needKubectl(
    'the monitors select the sidecar’s pods and its port, even while they are not ready',
    async () => {
      const added = '  - ../component\n  - ../pod-monitor\n  - ../service-monitor\n';
      const objects = await renderWith((text) => text.replace('  - ../component\n', added));
      for (const object of objects) validateObject(object);
      expect(await unknownFields(objects)).toEqual([]);
      const find = (wanted: string) => one<{ spec: Record<string, unknown> }>(objects, wanted).spec;
      const labels = one<InstanceType<typeof apps.Deployment>>(objects, 'Deployment').spec?.template.metadata
        ?.labels;
      const matchLabels = { 'mount-monitor': 'mount-monitor' };
      expect(labels).toMatchObject(matchLabels);
      // MountMonitorDown finds them by this name, even if a prefix changes the objects' names.
      const job = 'mount-monitor';
      expect(job).toMatch(await alertedJob());
      const relabelings = [{ targetLabel: 'job', replacement: job }];
      const endpoint = { port: 'mount-monitor', path: '/metrics', interval: '30s', relabelings };
      expect(find('PodMonitor')).toEqual({ selector: { matchLabels }, podMetricsEndpoints: [endpoint] });
      expect(find('ServiceMonitor')).toEqual({ selector: { matchLabels }, endpoints: [endpoint] });
      const service = one<KubeObject>(objects, 'Service');
      expect(service.metadata.labels).toEqual(matchLabels);
      expect(find('Service')).toEqual({
        clusterIP: 'None',
        publishNotReadyAddresses: true,
        selector: matchLabels,
        ports: [{ name: endpoint.port, port: 8080, targetPort: 8080 }],
      });
    },
  );

  needKubectl('the components work from a Git address, without the rest of this repository', async () => {
    const parent = await temporaryFolder();
    const localize = await localRepository(parent);
    const own = join(parent, 'own');
    await cp(join(deploy, 'example'), own, { recursive: true });
    const text = await readFile(join(own, 'kustomization.yaml'), 'utf8');
    const address =
      /https:\/\/\S+?\/\/apps\/mount-monitor\/deploy\/component\?ref=v1\.0\.0/.exec(text)?.[0] ?? '';
    expect(address, 'the address in the example').not.toBe('');
    const local = localize(address);
    const remote = text.replaceAll(
      /- \.\.\/(\S+)/g,
      (_, name) => `- ${local.replace('/component?', `/${name}?`)}`,
    );
    expect(remote).not.toContain('../');
    await writeFile(join(own, 'kustomization.yaml'), remote);
    expect(await kustomize(own)).toEqual(
      readObjects(await readFile(join(deploy, 'plain/deployment.yaml'), 'utf8')),
    );
  });

  it('every component is in README.md’s table', async () => {
    const readme = await readFile(join(deploy, 'README.md'), 'utf8');
    const named = [...readme.matchAll(/^\| `([\w-]+)\/` \|/gm)].map(([, name]) => name);
    const present = (await readdir(deploy, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    expect(named.toSorted()).toEqual(present.map(({ name }) => name).toSorted());
  });
});

function one<Type>(objects: readonly KubeObject[], kind: string): Type {
  const found = objects.filter((object) => object.kind === kind);
  expect(found, kind).toHaveLength(1);
  return found[0] as Type;
}

/** Renders the example from a modified copy of deploy/. */
async function renderWith(
  kustomization: (text: string) => string,
  workload: (text: string) => string = (text) => text,
): Promise<readonly KubeObject[]> {
  const parent = await temporaryFolder();
  await mkdir(join(parent, 'deploy'));
  await cp(deploy, join(parent, 'deploy'), { recursive: true });
  const example = join(parent, 'deploy/example');
  for (const [file, change] of [
    ['kustomization.yaml', kustomization],
    ['media.yaml', workload],
  ] as const) {
    await writeFile(join(example, file), change(await readFile(join(example, file), 'utf8')));
  }
  return kustomize(example);
}

it('every YAML file in deploy/ can be parsed', async () => {
  const files = (await readdir(deploy, { recursive: true })).filter((name) => name.endsWith('.yaml'));
  expect(files.length).toBeGreaterThan(9);
  for (const file of files) {
    const text = await readFile(join(deploy, file), 'utf8');
    expect(text, `${file}: tabs`).not.toContain('\t');
    if (!text.includes('\n---\n')) expect(parse(text), file).not.toBeNull();
  }
});
