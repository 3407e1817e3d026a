import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findHelm } from '@prebuilt/testing/helm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import {
  alertedJob,
  chartFolder,
  deployFolder,
  type KubeObject,
  type Pod,
  readObjects,
  unknownFields,
  validateObject,
} from '../../testing/manifests.ts';
import { need } from '../../testing/needs.ts';

const execute = promisify(execFile);
const { helm, why } = await findHelm();
const needHelm = need('helm', helm !== undefined, why);

interface Workload {
  readonly spec: { readonly template: { readonly metadata: KubeObject['metadata']; readonly spec: Pod } };
}

interface Monitor extends KubeObject {
  readonly spec?: Readonly<
    Partial<Record<'podMetricsEndpoints' | 'endpoints', readonly { relabelings?: unknown }[]>>
  >;
}

let charts = '';
beforeAll(async () => {
  charts = await mkdtemp(join(tmpdir(), 'chart-'));
  await cp(chartFolder, charts, { recursive: true });
  if (helm !== undefined) await run('dependency', 'build', join(charts, 'example'));
});
afterAll(() => rm(charts, { recursive: true }));

/** Runs Helm without this user's repositories and plugins. */
async function run(...args: readonly string[]): Promise<string> {
  const home = join(charts, '.home');
  const env = { PATH: process.env.PATH ?? '', HOME: home };
  const { stdout } = await execute(helm ?? '', [...args], { env, timeout: 120_000, maxBuffer: 1e7 });
  return stdout;
}

/**
 * Renders the example with values for `mount-monitor` and others for the application, installed as `media` in the
 * namespace `media`.
 */
async function render(
  values: object = {},
  chart = 'example',
  others: object = {},
): Promise<readonly KubeObject[]> {
  const file = join(await mkdtemp(join(charts, 'values-')), 'values.yaml');
  await writeFile(file, stringify({ ...others, 'mount-monitor': values }));
  return readObjects(
    await run('template', 'media', join(charts, chart), '--namespace=media', `--values=${file}`),
  );
}

function one<Type = KubeObject>(objects: readonly KubeObject[], kind: string, name?: string): Type {
  const found = objects.filter(
    (each) => each.kind === kind && (name ?? each.metadata.name) === each.metadata.name,
  );
  expect(found, `${kind} ${name ?? ''}`).toHaveLength(1);
  return found[0] as Type;
}

const monitorOf = ({ spec }: Workload) =>
  spec.template.spec.initContainers?.find(({ name }) => name === 'mount-monitor');

/** Ignores what Helm adds to every object, and how config.json is formatted. */
function comparable(object: KubeObject): unknown {
  const { labels, ...metadata } = object.metadata;
  const { data, ...rest } = object as KubeObject & { data?: Record<string, string> };
  const config = data?.['config.json'];
  return { ...rest, metadata, ...(config === undefined ? {} : { config: JSON.parse(config) }) };
}

const byName = (left: KubeObject, right: KubeObject) =>
  `${left.kind} ${left.metadata.name}`.localeCompare(`${right.kind} ${right.metadata.name}`);

describe('chart', () => {
  needHelm('the chart’s example has the same objects as the Kustomize example', async () => {
    const values = {
      fullnameOverride: 'mount-monitor',
      image: { repository: 'ghcr.io/OWNER/mount-monitor', tag: '1.0.0' },
    };
    const rendered = await render(values);
    const plain = readObjects(await readFile(join(deployFolder, 'plain/deployment.yaml'), 'utf8'));
    // Helm creates the namespace itself, with --create-namespace.
    const wanted = plain.filter(({ kind }) => kind !== 'Namespace').toSorted(byName);
    const found = rendered.toSorted(byName);
    expect(found.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual(
      wanted.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    );
    const sorted = (object: KubeObject): unknown => {
      const result = comparable(object) as Workload & { spec?: Workload['spec'] };
      const pod = result.spec?.template?.spec as { volumes?: { name: string }[] } | undefined;
      pod?.volumes?.sort((left, right) => left.name.localeCompare(right.name));
      const monitor = result.spec?.template === undefined ? undefined : monitorOf(result);
      if (monitor !== undefined) {
        // Kubernetes's default for any tag except `latest`.
        monitor.imagePullPolicy ??= 'IfNotPresent';
        monitor.volumeMounts?.sort((left, right) => left.name.localeCompare(right.name));
      }
      return result;
    };
    expect(found.map(sorted)).toEqual(wanted.map(sorted));
  });

  needHelm('every object that the chart can render has a Kubernetes type', async () => {
    const on = { enabled: true };
    const objects = await render({
      networkPolicy: on,
      podMonitor: on,
      serviceMonitor: on,
      prometheusRule: { ...on, labels: { release: 'kube-prometheus-stack' } },
    });
    const custom = objects.filter(({ apiVersion }) => apiVersion === 'monitoring.coreos.com/v1');
    expect(custom.map(({ kind }) => kind).toSorted()).toEqual([
      'PodMonitor',
      'PrometheusRule',
      'ServiceMonitor',
    ]);
    expect(objects.map(({ kind }) => kind)).toContain('Service');
    for (const object of objects) validateObject(object);
    expect(await unknownFields(objects)).toEqual([]);
    expect(objects.map(({ metadata }) => metadata.namespace)).toEqual(objects.map(() => 'media'));
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  needHelm(
    'the chart’s monitors give their pods the job that the alert expects, for any release name',
    async () => {
      const on = { enabled: true };
      const objects = await render({ fullnameOverride: 'watcher', podMonitor: on, serviceMonitor: on });
      const endpoints = (objects as readonly Monitor[]).flatMap(
        ({ spec }) => spec?.podMetricsEndpoints ?? spec?.endpoints ?? [],
      );
      expect(endpoints).toHaveLength(2);
      for (const { relabelings } of endpoints) {
        expect(relabelings).toEqual([
          { targetLabel: 'job', replacement: expect.stringMatching(await alertedJob()) },
        ]);
      }
    },
  );

  needHelm('the example mounts a claim for the application’s data', async () => {
    const objects = await render({}, 'example', { app: { configClaim: 'jellyfin-config' } });
    const { containers, volumes } = one<Workload>(objects, 'Deployment').spec.template.spec;
    expect(containers?.[0]?.volumeMounts).toContainEqual({ name: 'config', mountPath: '/config' });
    expect(volumes).toContainEqual({
      name: 'config',
      persistentVolumeClaim: { claimName: 'jellyfin-config' },
    });
  });

  needHelm('the chart’s alert rules are the ones in deploy/alerts', async () => {
    const objects = await render({ prometheusRule: { enabled: true, labels: { release: 'prometheus' } } });
    const rule = one<KubeObject & { spec: unknown }>(objects, 'PrometheusRule');
    expect(rule.spec).toEqual(
      parse(await readFile(join(deployFolder, 'alerts/mount-monitor.rules.yaml'), 'utf8')),
    );
    expect(rule.metadata.labels).toMatchObject({ release: 'prometheus' });
  });

  needHelm('the chart creates no role, account or token without the watchdog', async () => {
    const objects = await render({
      config: { watchdog: { enabled: false } },
      networkPolicy: { enabled: false },
    });
    expect(objects.map(({ kind }) => kind).toSorted()).toEqual(['ConfigMap', 'Deployment']);
    const pod = one<Workload>(objects, 'Deployment').spec.template.spec;
    expect(pod.serviceAccountName).toBe('default');
    expect(JSON.stringify(pod)).not.toContain('serviceAccountToken');
  });

  describe.each([
    ['delete', ['pods get,delete']],
    ['evict', ['pods get', 'pods/eviction create']],
    ['exit', ['pods get']],
    ['notify', ['pods get']],
  ])('%s', (mode, expected) => {
    needHelm(`the chart gives mode ${mode} only the rights it needs, for the named pods`, async () => {
      const objects = await render({
        config: { watchdog: { enabled: true, mode } },
        rbac: { podNames: ['media-0', 'media-1'] },
      });
      const { rules } = one<{ rules: { resources: string[]; resourceNames?: string[]; verbs: string[] }[] }>(
        objects,
        'Role',
      );
      const pods = rules.filter(({ resources }) => resources[0]?.startsWith('pods'));
      expect(pods.map(({ resources, verbs }) => `${resources} ${verbs}`)).toEqual(expected);
      expect(pods.map(({ resourceNames }) => resourceNames)).toEqual(pods.map(() => ['media-0', 'media-1']));
    });
  });

  needHelm(
    'two releases in one namespace share no object, and each watchdog has its own budget',
    async () => {
      const objects = await render();
      expect(objects.every(({ metadata }) => metadata.name.startsWith('media'))).toBe(true);
      const budget = one(objects, 'ConfigMap', 'media-mount-monitor-budget').metadata.name;
      const monitor = monitorOf(one<Workload>(objects, 'Deployment'));
      expect(monitor?.env?.find(({ name }) => name === 'WATCHDOG_BUDGET_CONFIGMAP')?.value).toBe(budget);
    },
  );

  needHelm('another port is applied to the probes, the NetworkPolicy and the application', async () => {
    const objects = await render({ config: { httpPort: 65_535 }, networkPolicy: { enabled: true } });
    const workload = one<Workload>(objects, 'Deployment');
    expect(workload.spec.template.spec.containers[0]?.livenessProbe?.httpGet?.port).toBe(65_535);
    expect(monitorOf(workload)?.ports?.[0]?.containerPort).toBe(65_535);
    const { spec } = one<{ spec: { ingress: { ports: unknown[] }[] } }>(objects, 'NetworkPolicy');
    expect(spec.ingress.map(({ ports }) => ports)).toEqual([
      [
        { protocol: 'TCP', port: 1, endPort: 65_534 },
        { protocol: 'UDP', port: 1, endPort: 65_535 },
      ],
      [{ protocol: 'TCP', port: 65_535 }],
    ]);
  });

  needHelm('the example’s rclone mounts at the path of the configuration’s first mount', async () => {
    const objects = await render({
      config: { mounts: [{ path: '/data/movies' }] },
      mountsVolume: { mountPath: '/data/' },
    });
    const pod = one<Workload>(objects, 'Deployment').spec.template.spec;
    const rclone = JSON.stringify(pod.initContainers?.find(({ name }) => name === 'rclone'));
    expect(rclone.match(/[^ "]*\/movies/g)).toEqual(Array(4).fill('/data/movies'));
    expect(JSON.stringify(pod)).not.toContain('/mnt');
    await expect(render({ config: { mounts: [{ path: '/data/movies' }] } })).rejects.toThrow(
      'mounts[0].path: expected a path below /mnt, found /data/movies',
    );
  });

  needHelm('the example uses one process namespace per container if configured', async () => {
    const objects = await render({}, 'example', { app: { shareProcessNamespace: false } });
    expect(one<Workload>(objects, 'Deployment').spec.template.spec.shareProcessNamespace).toBe(false);
  });

  needHelm('the tag defaults to the packaged version, and a digest overrides it', async () => {
    const packaged = join(charts, 'packaged');
    await cp(join(charts, 'example'), packaged, { recursive: true });
    await rm(join(packaged, 'charts'), { recursive: true });
    await run(
      'package',
      join(charts, 'mount-monitor'),
      '--version=1.2.3',
      '--app-version=1.2.3',
      `--destination=${join(packaged, 'charts')}`,
    );
    const image = async (values: object) =>
      monitorOf(one<Workload>(await render(values, 'packaged'), 'Deployment'))?.image;
    expect(await image({})).toBe('ghcr.io/OWNER/mount-monitor:1.2.3');
    const digest = `sha256:${'0'.repeat(64)}`;
    expect(await image({ image: { digest } })).toBe(`ghcr.io/OWNER/mount-monitor@${digest}`);
  });

  describe.each([
    ['a misspelled key', { config: { checkIntervall: '30s' } }, 'checkIntervall'],
    ['a wrong duration', { config: { readTimeout: '5 seconds' } }, 'readTimeout'],
    ['a wrong check type', { config: { mounts: [{ path: '/mnt/a', checkType: 'file' }] } }, 'checkType'],
    ['no mounts', { config: { mounts: null } }, 'mounts'],
    ['a misspelled chart value', { imagee: {} }, 'imagee'],
    ['an account that nobody creates', { serviceAccount: { create: false } }, 'serviceAccount'],
  ])('%s', (title, values, named) => {
    needHelm(`helm rejects ${title} and names it`, async () => {
      await expect(render(values)).rejects.toThrow(named);
    });
  });

  needHelm('helm lint reports no problems in the example', async () => {
    const text = await run('lint', '--strict', join(charts, 'example'));
    expect(text).toContain('1 chart(s) linted, 0 chart(s) failed');
  });

  it('the values for bjw-s’s common chart describe the Kustomize component’s sidecar', async () => {
    const readme = await readFile(join(chartFolder, 'README.md'), 'utf8');
    const values = parse(/```yaml\n(controllers:.*?)```/s.exec(readme)?.[1] ?? '');
    const sidecar = parse(await readFile(join(deployFolder, 'component/sidecar.yaml'), 'utf8')) as Workload;
    const component = monitorOf(sidecar);
    const { image, env, probes, dependsOn, ...rest } =
      values.controllers.main.initContainers['mount-monitor'];
    expect(image.repository).toBe('ghcr.io/OWNER/mount-monitor');
    const port = (probe: object | undefined) =>
      JSON.parse(JSON.stringify(probe).replace('"mount-monitor"', '8080'));
    const mounts = Object.entries<{ advancedMounts: { main: Record<string, object[]> } }>(values.persistence);
    const volumeMounts = mounts.flatMap(([volume, { advancedMounts }]) =>
      (advancedMounts.main['mount-monitor'] ?? []).map(({ path, ...mount }: { path?: string }) => ({
        ...mount,
        name: volume,
        mountPath: path,
      })),
    );
    expect({
      ...rest,
      name: 'mount-monitor',
      image: 'mount-monitor',
      env: Object.entries<object>(env).map(([name, value]) => ({ name, ...value })),
      startupProbe: probes.startup.spec,
      readinessProbe: probes.readiness.spec,
      livenessProbe: probes.liveness.spec,
      volumeMounts,
    }).toEqual({
      ...component,
      ports: undefined,
      startupProbe: port(component?.startupProbe),
      readinessProbe: port(component?.readinessProbe),
      livenessProbe: port(component?.livenessProbe),
      volumeMounts: component?.volumeMounts?.map((mount) =>
        mount.name === 'mount-monitor-config' ? { ...mount, name: 'mount-monitor' } : mount,
      ),
    });
  });
});
