import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as monitoring from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import * as apps from 'kubernetes-models/apps/v1';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as rbac from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import type { Container, PodSpec } from 'kubernetes-models/v1';
import * as core from 'kubernetes-models/v1';
import { parseAllDocuments } from 'yaml';

const execute = promisify(execFile);

/** The folder `deploy/`, and the folder of the charts. */
export const deployFolder = join(import.meta.dirname, '../deploy');
export const chartFolder = join(import.meta.dirname, '../chart');

/** Matches the Prometheus job names that the alert MountMonitorDown covers. */
export async function alertedJob(): Promise<RegExp> {
  const rules = await readFile(join(deployFolder, 'alerts/mount-monitor.rules.yaml'), 'utf8');
  const [, pattern] = /\bup\{job=~"([^"]+)"\}/.exec(rules) ?? [];
  if (pattern === undefined) throw new Error('expected up{job=~"…"} in the alert rules, found none');
  return new RegExp(`^(?:${pattern})$`);
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
}
export type ContainerSpec = InstanceType<typeof Container>;
export type Pod = InstanceType<typeof PodSpec>;

const models: Readonly<Record<string, new (data: never) => { validate(): void }>> = {
  'apps/v1 Deployment': apps.Deployment,
  'apps/v1 StatefulSet': apps.StatefulSet,
  'rbac.authorization.k8s.io/v1 Role': rbac.Role,
  'rbac.authorization.k8s.io/v1 RoleBinding': rbac.RoleBinding,
  'networking.k8s.io/v1 NetworkPolicy': networking.NetworkPolicy,
  'monitoring.coreos.com/v1 PodMonitor': monitoring.PodMonitor,
  'monitoring.coreos.com/v1 ServiceMonitor': monitoring.ServiceMonitor,
  'monitoring.coreos.com/v1 PrometheusRule': monitoring.PrometheusRule,
  'v1 ServiceAccount': core.ServiceAccount,
  'v1 ConfigMap': core.ConfigMap,
  'v1 Namespace': core.Namespace,
  'v1 Service': core.Service,
};

/** Parses the objects of a YAML text with any number of documents. Throws if one is invalid. */
export function readObjects(text: string): readonly KubeObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw new Error(document.errors.join('\n'));
    const object = document.toJS() as KubeObject | null;
    return object === null ? [] : [object];
  });
}

/** The output of `kubectl kustomize` for a folder. */
export async function kustomize(folder: string): Promise<readonly KubeObject[]> {
  const { stdout } = await execute('kubectl', ['kustomize', folder], { timeout: 120_000 });
  return readObjects(stdout);
}

/** Whether a program exits with code 0 for these arguments. */
export function works(program: string, args: readonly string[]): Promise<boolean> {
  return execute(program, [...args], { timeout: 60_000 }).then(
    () => true,
    () => false,
  );
}

/** Throws unless the object has one of the Kubernetes types that these tests know. */
export function validateObject(object: KubeObject): void {
  const Model = models[`${object.apiVersion} ${object.kind}`];
  if (Model === undefined) throw new Error(`no model for ${object.apiVersion} ${object.kind}`);
  new Model(object as never).validate();
}

/** An object's fields that no Kubernetes type has, because the models ignore misspelled ones. */
export async function unknownFields(objects: readonly KubeObject[]): Promise<readonly string[]> {
  const known = await fieldNames();
  return objects.flatMap((object) => fieldsOf(object)).filter((field) => !known.has(field));
}

async function fieldNames(): Promise<ReadonlySet<string>> {
  const folder = (module: string) => dirname(fileURLToPath(import.meta.resolve(module)));
  const kubernetes = folder('kubernetes-models');
  const groups = ['v1', 'apps/v1', 'rbac.authorization.k8s.io/v1', 'networking.k8s.io/v1'];
  const folders = [
    ...groups.map((group) => join(kubernetes, group)),
    folder('@kubernetes-models/apimachinery/apis/meta/v1/ObjectMeta'),
    folder('@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'),
  ];
  const names = new Set<string>();
  for (const folder of folders) {
    for (const file of (await readdir(folder)).filter((name) => name.endsWith('.d.ts'))) {
      const text = await readFile(join(folder, file), 'utf8');
      for (const [, name] of text.matchAll(/^ {4,}"(\w+)"\??:/gm)) names.add(name ?? '');
    }
  }
  return names;
}

/** Maps with arbitrary keys. */
const free = new Set([
  'labels',
  'matchLabels',
  'annotations',
  'data',
  'limits',
  'requests',
  'emptyDir',
  'selector',
]);

function fieldsOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(fieldsOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [name, ...(free.has(name) ? [] : fieldsOf(inner))]);
}
