import { createHash } from 'node:crypto';
import type { WorkflowRun } from '@prebuilt/rehearsal';

const INDEX = 'application/vnd.oci.image.index.v1+json';

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
  const repository = `http://${image.replace('/', '/v2/')}`;
  const listed = await fetch(`${repository}/tags/list`);
  if (listed.status === 404) return {};
  const { tags }: { tags: readonly string[] } = JSON.parse(await read(listed));
  const entries = tags
    .filter((tag) => !tag.startsWith('sha256-'))
    .map(async (tag) => {
      const manifest = await fetch(`${repository}/manifests/${tag}`, { headers: { accept: INDEX } });
      return [tag, `sha256:${sha256(await read(manifest))}`] as const;
    });
  return Object.fromEntries(await Promise.all(entries));
}

async function read(response: Response): Promise<string> {
  if (!response.ok) throw new Error(`${response.url}: status ${response.status}`);
  return response.text();
}

/** In hex. */
export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
