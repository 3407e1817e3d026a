import { resolve } from 'node:path';
import { writeJobOutputs, writeJobSummary } from '../../github/job-summary.ts';
import { reportFailures } from '../failures.ts';
import { type ProjectContext, tagPatternFor } from '../project-context.ts';
import { connect, type Outside } from './connect.ts';
import { hashReports, parseImages, readLocalFacts, readRepositoryFacts, readSboms } from './facts.ts';
import type { DockerPublishOptions } from './options.ts';
import { checkLocalFacts, planPublish } from './plan.ts';
import { publishAll } from './publish-all.ts';
import { removeRecord, writeRecord } from './run.ts';
import { formatPlan, summariseRecord } from './show.ts';
import { requireSigningIdentity, signImage, signingServices } from './sign.ts';
import { openUploadJournal } from './upload-journal.ts';

/** `@prebuilt/nx:docker-publish`: by digest, read back, then tags. Options: schema.json. */
export default function dockerPublish(
  options: DockerPublishOptions,
  context: ProjectContext,
  outside: Outside = {},
): Promise<{ success: boolean }> {
  return reportFailures(context, async () => {
    const repositories = parseImages(options.image);
    const { environment = process.env } = outside;
    const signing = options.sign ? { ...signingServices(options, environment), ...outside.signing } : null;
    if (signing !== null) requireSigningIdentity(environment, signing);
    const say = options.json ? console.error : console.log;
    const local = await readLocalFacts(options, context.root, tagPatternFor(context));
    checkLocalFacts(local);
    return connect(
      repositories,
      options,
      context.root,
      async (connection) => {
        const remote = await Promise.all(
          repositories.map((repository) =>
            readRepositoryFacts(repository, connection.clientOf(repository), local, options),
          ),
        );
        const plan = planPublish(local, remote, options, signing);
        if (options.dryRun && options.json) console.log(JSON.stringify(plan, null, 2));
        else say(formatPlan(plan));
        if (options.dryRun) return true;
        const sboms = await readSboms(resolve(context.root, options.sbomPath));
        const reports = await hashReports(resolve(context.root, options.verifyPath), local);
        const journal = openUploadJournal(resolve(context.root, options.outputPath, 'uploads.json'));
        await removeRecord(resolve(context.root, options.outputPath));
        const record = await publishAll({
          plan,
          local,
          sboms,
          reports,
          connection,
          concurrency: options.concurrency,
          journal,
          sign: signing === null ? undefined : () => signImage(plan.index, signing),
          progress: (line) => say(line),
          beforeTags: outside.beforeTags,
        });
        journal.close();
        await writeRecord(resolve(context.root, options.outputPath), record);
        if (options.json) console.log(JSON.stringify(record, null, 2));
        await writeJobSummary(summariseRecord(record));
        await writeJobOutputs({
          digest: record.indexDigest,
          version: record.version,
          tags: movedTags(record),
        });
        return true;
      },
      outside,
    );
  });
}

function movedTags(record: Awaited<ReturnType<typeof publishAll>>): string {
  const tags = record.images.flatMap((image) => image.tags.filter(({ outcome }) => outcome !== 'left'));
  return [...new Set(tags.map(({ tag }) => tag))].join(',');
}
