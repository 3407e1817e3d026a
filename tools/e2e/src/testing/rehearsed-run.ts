import { createHash } from 'node:crypto';
import type { WorkflowRun } from '@prebuilt/rehearsal';
import { execa } from 'execa';

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
  const reference = `docker://${image}`;
  const listed = await execa('skopeo', ['list-tags', '--tls-verify=false', reference], { reject: false });
  if (listed.failed) return {};
  const { Tags }: { Tags: readonly string[] } = JSON.parse(listed.stdout);
  const entries = Tags.filter((tag) => !tag.startsWith('sha256-')).map(async (tag) => {
    const inspect = ['inspect', '--raw', '--tls-verify=false', `${reference}:${tag}`];
    const { stdout } = await execa('skopeo', inspect, { stripFinalNewline: false });
    return [tag, `sha256:${sha256(stdout)}`] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** In hex. */
export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
