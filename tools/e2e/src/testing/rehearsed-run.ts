import { createHash } from 'node:crypto';
import type { WorkflowRun } from '@prebuilt/rehearsal';

type Job = WorkflowRun['jobs'][number];

/** Each job's result, such as `plan success, test failure`. */
export function results(run: WorkflowRun): string {
  return run.jobs.map(({ id, result }) => `${id} ${result}`).join(', ');
}

/** The ends of the failed jobs' logs; empty if none failed. */
export function failures(run: WorkflowRun): string {
  return run.jobs
    .flatMap(({ key, result, log }) => (result === 'failure' ? [`${key}:\n${log.slice(-6000)}`] : []))
    .join('\n');
}

/** The first job with an id. Throws if there is none. */
export function job(run: WorkflowRun, id: string): Job {
  const found = run.jobs.find((each) => each.id === id);
  if (found === undefined) throw new Error(`no job ${id}: ${results(run)}`);
  return found;
}

/** The digest of each tag of an image in a registry on loopback, except those that list referrers. */
export async function imageTags(image: string): Promise<Readonly<Record<string, string>>> {
  const listed = await askRegistry(image, 'tags/list');
  if (listed.status === 404) return {};
  const { tags }: { tags: readonly string[] } = JSON.parse(await bodyOf(listed));
  const entries = tags
    .filter((tag) => !tag.startsWith('sha256-'))
    .map(async (tag) => [tag, `sha256:${sha256(await readRegistry(image, `manifests/${tag}`))}`] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** The body at a path below an image in a registry on loopback, such as `manifests/latest`. Throws if it has none. */
export async function readRegistry(image: string, path: string): Promise<string> {
  return bodyOf(await askRegistry(image, path));
}

function askRegistry(image: string, path: string): Promise<Response> {
  const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
  return fetch(`http://${image.replace('/', '/v2/')}/${path}`, { headers: { accept } });
}

async function bodyOf(response: Response): Promise<string> {
  if (response.status !== 200) throw new Error(`${response.url}: status ${response.status}`);
  return response.text();
}

/** In hex. */
export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
