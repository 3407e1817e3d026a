import { PrebuiltError } from '../../errors.ts';
import { reportFailures } from '../failures.ts';
import type { ProjectContext } from '../project-context.ts';
import type { ConfigurationErrorOptions } from './options.ts';

/** `configuration-error`: what the targets of a project with an unusable prebuilt.json run. Options: schema.json. */
export default function configurationError(
  { file, problems }: ConfigurationErrorOptions,
  context: ProjectContext,
): Promise<{ success: boolean }> {
  return reportFailures(context, async () => {
    throw new PrebuiltError('CONFIGURATION', `${file}: ${problems.join('\n  ')}`, {
      hint: 'The JSON Schema that its "$schema" names and the plugin’s README describe its keys.',
    });
  });
}
