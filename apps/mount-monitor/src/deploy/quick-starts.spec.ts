import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findHelm } from '@prebuilt/testing/helm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localRepository } from '../../testing/local-repository.ts';
import {
  chartFolder,
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

const execute = promisify(execFile);
const page = await readFile(join(deployFolder, '../../../docs/quick-starts.md'), 'utf8');

const kubectl = await works('kubectl', ['version', '--client']);
const needKubectl = need('kubectl', kubectl, 'on the path (Debian package kubernetes-client)');
const { helm, why } = await findHelm();
const needHelm = need('helm', helm !== undefined, why);

let parent = '';
let localize = (text: string) => text;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'quick-start-'));
  localize = await localRepository(parent);
});
afterAll(() => rm(parent, { recursive: true }));

/** The code blocks of one language in one section of a page, without the fences. */
function blocks(text: string, heading: string, language: string): readonly string[] {
  const [, section = ''] = text.split(`\n## ${heading}\n`);
  const own = section.split('\n## ')[0] ?? '';
  return [...own.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, block]) => block ?? '',
  );
}

/** Shell lines in which everything that would reach a cluster or a remote is replaced by something harmless. */
function rehearse(lines: string): string {
  return (
    lines
      .replaceAll(/^kubectl apply -k/gm, 'kubectl kustomize')
      // Its content is among the objects that are rendered.
      .replaceAll(/^kubectl -n media apply -f/gm, 'test -s')
      .replaceAll(/^kubectl .*(create|get) .*$/gm, '')
      .replaceAll(/^.*rclone.*rcat.*$/gm, '')
      .replaceAll(/\$\{EDITOR:-vi\}/g, 'ls')
      .replaceAll(/\bhelm install\b/g, 'helm template')
      .replaceAll(/(?<![-.\w])helm(?= (template|dependency))/g, helm ?? 'helm')
  );
}

async function shell(lines: string, cwd: string): Promise<string> {
  const { stdout } = await execute('bash', ['-euo', 'pipefail', '-c', lines], { cwd, timeout: 120_000 });
  return stdout;
}

/** Creates a folder with the part of a clone's apps/mount-monitor that an installation needs. */
async function clone(): Promise<string> {
  const folder = await mkdtemp(join(parent, 'clone-'));
  await cp(deployFolder, join(folder, 'apps/mount-monitor/deploy'), { recursive: true });
  await cp(chartFolder, join(folder, 'apps/mount-monitor/chart'), { recursive: true });
  return folder;
}

async function check(objects: readonly KubeObject[], name: string): Promise<Pod> {
  for (const object of objects) validateObject(object);
  expect(await unknownFields(objects)).toEqual([]);
  const config = objects.find(({ metadata }) => metadata.name === 'mount-monitor-config') as KubeObject & {
    data: Record<string, string>;
  };
  const parsed = parseConfig(config.data['config.json'] ?? '', name, {
    workingDirectory: '/',
    strictKeys: true,
  });
  expect(parsed.warnings).toEqual([]);
  const workload = objects.find(({ kind }) => kind === 'Deployment') as unknown as {
    spec: { template: { spec: Pod } };
  };
  const pod = workload.spec.template.spec;
  const monitor = pod.initContainers?.at(-1);
  expect([monitor?.name, monitor?.image]).toEqual(['mount-monitor', 'ghcr.io/OWNER/mount-monitor:1.0.0']);
  expect(parsed.config.watchdog.enabled).toBe(objects.some(({ kind }) => kind === 'Role'));
  for (const { absolutePath } of parsed.config.mounts) {
    expect(monitor?.volumeMounts?.some(({ mountPath }) => absolutePath.startsWith(mountPath))).toBe(true);
  }
  return pod;
}

/** Renders the files of a section, which replace those of the sections before it, with the first one's commands. */
async function render(...headings: readonly [string, ...string[]]): Promise<Pod> {
  const folder = await mkdtemp(join(parent, 'own-'));
  for (const heading of headings) {
    const files = blocks(page, heading, 'yaml');
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) {
      const path = join(folder, /^# (media\/[\w-]+\.yaml)\n/.exec(file)?.[1] ?? '');
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, localize(file));
    }
  }
  const [commands = ''] = blocks(page, headings[0], 'sh');
  expect(commands).toContain('kubectl apply -k media');
  return check(readObjects(await shell(rehearse(commands), folder)), headings.join());
}

const besideRclone = 'Jellyfin or Plex beside rclone, on Kubernetes';

describe.each([
  [besideRclone, 'rclone'],
  ['An NFS share, on Kubernetes', undefined],
])('%s', (heading, before) => {
  needKubectl(`the quick start "${heading}" renders from its page alone`, async () => {
    const pod = await render(heading);
    expect(pod.initContainers?.at(-2)?.name).toBe(before);
  });
});

needKubectl('the quick start with rclone and NFS in one pod shows the share to both containers', async () => {
  const pod = await render(besideRclone, 'rclone and NFS in one pod');
  const [rclone, monitor] = pod.initContainers ?? [];
  expect([rclone?.name, monitor?.name]).toEqual(['rclone', 'mount-monitor']);
  const share = { name: 'share', mountPath: '/share' };
  expect(monitor?.volumeMounts).toContainEqual({ ...share, readOnly: true });
  expect(pod.containers[0]?.volumeMounts).toContainEqual(share);
  expect(pod.volumes?.find(({ name }) => name === 'share')?.nfs?.server).toBe('nfs.example');
  expect(pod.containers[0]?.livenessProbe).toBeUndefined();
});

needKubectl('deploy/README.md’s three lines work in a clone', async () => {
  const readme = await readFile(join(deployFolder, 'README.md'), 'utf8');
  const [lines = ''] = blocks(readme, 'In three lines', 'sh');
  expect(lines.trimEnd().split('\n')).toHaveLength(3);
  const folder = await clone();
  const [, rendered = ''] = (await shell(rehearse(lines), folder)).split(/^(?=apiVersion: )/ms, 2);
  expect(rendered).not.toBe('');
  await check(await kustomize(join(folder, 'my-deploy/example')), 'example');
});

needHelm('chart/README.md’s three lines work in a clone', async () => {
  const readme = await readFile(join(chartFolder, 'README.md'), 'utf8');
  const [lines = ''] = blocks(readme, 'In three lines', 'sh');
  const output = await shell(rehearse(lines), await clone());
  const objects = readObjects(output.slice(output.indexOf('---\n')));
  const kinds = objects.map(({ kind }) => kind);
  expect(kinds).toEqual(expect.arrayContaining(['Deployment', 'ConfigMap', 'Role', 'NetworkPolicy']));
  for (const object of objects) validateObject(object);
});

it('a configuration of debrid-mount-monitor works unchanged', () => {
  const [text = ''] = blocks(page, 'From debrid-mount-monitor', 'json');
  const { config, warnings } = parseConfig(text, 'config.json', { workingDirectory: '/', strictKeys: true });
  expect(warnings).toEqual([]);
  expect(config.mounts.map(({ failureThreshold }) => failureThreshold)).toEqual([5, 3]);
});

it('the folder and files in the Compose quick start exist', async () => {
  const [lines = ''] = blocks(page, 'Docker Compose', 'sh');
  const folder = await clone();
  await shell(lines.split('\n')[0] ?? '', folder);
  for (const file of ['media/compose.yaml', 'media/config/config.json']) {
    expect(page).toContain(file);
    expect(await readFile(join(folder, file), 'utf8')).not.toBe('');
  }
});
