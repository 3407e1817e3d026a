import { access, constants, stat } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import * as v from 'valibot';
import { PLATFORMS, type Platform } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import { sha256OfFile } from '../files/hash.ts';
import { commandOutput } from '../process/command-output.ts';
import { environmentOf, MACHINE_VARIABLES, missingTool, runCompiler } from '../process/compiler.ts';
import { checkElf } from './elf-check.ts';
import { executableName } from './executable-name.ts';
import { openFolder } from './folder.ts';
import { fillPlaceholders, type PlaceholderFacts, unknownPlaceholders } from './placeholders.ts';
import type {
  BuildContext,
  CompileRequest,
  PrepareContext,
  PreparedToolchain,
  Toolchain,
} from './toolchain.ts';

const argument = v.pipe(
  v.string(),
  v.maxLength(4096),
  v.check(
    (given) => unknownPlaceholders(given).length === 0,
    ({ input }) => `expected known placeholders, found ${unknownPlaceholders(String(input)).join(', ')}`,
  ),
);

const options = v.strictObject({
  command: v.pipe(
    v.array(argument, 'a list of a program and its arguments, such as ["cc", "-o", "{output}", "main.c"]'),
    v.minLength(1, 'a program and its arguments'),
    v.check(
      (args) => args.some((each) => each.includes('{output}')),
      'expected an argument with {output}, the path of the executable',
    ),
    v.description(
      'A program and its arguments, run once per platform, without a shell. Placeholders: {platform} {os} {arch} {variant} {goarch} {gnuTarget} {rustTarget} {rustGnuTarget} {zigTarget} {name} {version} {output}, and {output:NAME} for another executable',
    ),
  ),
  folder: v.optional(
    v.pipe(
      v.string(),
      v.minLength(1),
      v.description('The working directory of the command. Defaults to the project’s folder'),
    ),
    '.',
  ),
  environment: v.optional(
    v.pipe(
      v.record(v.string(), argument),
      v.description(
        'Environment variables in addition to PATH, HOME, TMPDIR and SOURCE_DATE_EPOCH, with the same placeholders',
      ),
    ),
    {},
  ),
  executables: v.optional(
    v.pipe(
      v.array(executableName),
      v.description('The names of additional executables of the program, each written to {output:NAME}'),
    ),
    [],
  ),
  inputs: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.minLength(1))),
      v.description(
        'The Nx inputs that the command reads. Defaults to the sources of the project and its dependencies',
      ),
    ),
  ),
  dependsOn: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.minLength(1))),
      v.description("The targets that run before the command, in Nx's dependsOn syntax"),
    ),
    [],
  ),
  version: v.optional(
    v.pipe(
      v.array(v.string()),
      v.minLength(1),
      v.description(
        'A command that prints the tool’s version on its first line, such as ["zig", "version"]. The version becomes part of the manifest and the cache key',
      ),
    ),
  ),
});

type CommandOptions = Readonly<v.InferOutput<typeof options>>;

/** Compiles with any command. The components are those that the executables themselves declare. */
export const command: Toolchain<CommandOptions> = {
  name: 'command',
  options,
  platforms: PLATFORMS,
  // Can't be detected; must be configured.
  detect: () => undefined,
  fromProject: (configured, projectRoot) => ({ ...configured, folder: join(projectRoot, configured.folder) }),
  configure: (configured) => ({
    name: 'command',
    options: configured,
    dependsOn: configured.dependsOn,
    others: checkedExecutables(configured),
    // Unknown: whose executables are dynamic names their packages in prebuilt.json.
    isDynamic: false,
    sysrootPackages: [],
    inputs(namedInputs) {
      if (configured.inputs !== undefined) return [...configured.inputs];
      const name = namedInputs.has('production') ? 'production' : 'default';
      const dependencies =
        configured.dependsOn.length > 0 ? [{ dependentTasksOutputFiles: '**/*', transitive: false }] : [];
      return [name, `^${name}`, ...dependencies];
    },
    keyFacts: (context) => readKeyFacts(configured, context),
    prepare: (context) => prepareCommand(configured, context),
  }),
};

// A name missing in "executables" would be used as a literal file name; one missing in the command is never written.
function checkedExecutables({ command: args, environment, executables }: CommandOptions): readonly string[] {
  const texts = [...args, ...Object.values(environment)];
  const used = new Set(texts.flatMap((each) => [...each.matchAll(OUTPUT_OF)].map(([, name = '']) => name)));
  const [unknown] = [...used].filter((name) => !executables.includes(name));
  const [unused] = executables.filter((name) => !used.has(name));
  if (unknown === undefined && unused === undefined) return executables;
  throw new PrebuiltError(
    'INVALID_OPTIONS',
    unknown === undefined
      ? `toolchain.executables: expected {output:${unused}} in the command, found none`
      : `toolchain.command: expected {output:NAME} with a name in "executables", found {output:${unknown}}`,
    { hint: 'List exactly the names that the command uses as {output:NAME} in "executables".' },
  );
}

// Before compiling, there is neither a version nor an output.
const NOTHING_MADE = { version: '', outfile: '', others: [] } as const;

const OUTPUT_OF = /\{output:([^}]+)\}/g;

// Hash the program itself: a different one with the same name may produce different output.
async function readKeyFacts(configured: CommandOptions, context: BuildContext): Promise<unknown> {
  const files = context.platforms.map(async (platform) => {
    const program = await findProgram(configured, context, platform);
    return { platform, program, sha256: await sha256OfFile(program) };
  });
  return { version: await readVersion(configured, context), programs: await Promise.all(files) };
}

async function prepareCommand(
  configured: CommandOptions,
  context: PrepareContext,
): Promise<PreparedToolchain> {
  const cwd = await openFolder(context.workspaceRoot, configured.folder);
  await Promise.all(context.platforms.map((platform) => findProgram(configured, context, platform)));
  return {
    version: (await readVersion(configured, context)) ?? 'unknown',
    async compile(request) {
      const [file = '', ...args] = configured.command.map((each) => fillPlaceholders(each, request));
      const SOURCE_DATE_EPOCH = String(request.sourceDateEpoch);
      const env = { SOURCE_DATE_EPOCH, ...commandEnvironment(configured, request) };
      await runCompiler({ file, args }, { cwd, env, label: request.platform, signal: context.signal });
      const outfiles = [request.outfile, ...request.others.map(({ outfile }) => outfile)];
      for (const outfile of outfiles) await checkMade(outfile, file, request);
      const { embeddedComponents } = await import('./components/embedded.ts');
      return embeddedComponents(outfiles);
    },
  };
}

function commandEnvironment(
  { environment }: CommandOptions,
  facts: PlaceholderFacts,
): Readonly<Record<string, string>> {
  const own = Object.entries(environment).map(([name, value]) => [name, fillPlaceholders(value, facts)]);
  return { ...environmentOf(MACHINE_VARIABLES), ...Object.fromEntries(own) };
}

async function checkMade(outfile: string, file: string, { platform }: CompileRequest): Promise<void> {
  const found = await stat(outfile).catch(() => undefined);
  if (!found?.isFile()) {
    throw new PrebuiltError(
      'COMPILE_FAILED',
      `${platform}: ${file}: expected a file at ${outfile}, found ${found === undefined ? 'nothing' : 'something else'}`,
      { hint: 'The command must write each executable to exactly the path given by {output}.' },
    );
  }
  await checkElf(outfile, file, platform, {
    hint: 'The command must compile for the platform, which it gets from {goarch}, {gnuTarget}, {rustTarget} or similar placeholders.',
  });
}

// One version for all platforms, so the environment is that of the first.
async function readVersion(
  configured: CommandOptions,
  { workspaceRoot, name, platforms }: BuildContext,
): Promise<string | undefined> {
  const { version, folder } = configured;
  if (version === undefined) return undefined;
  const [file = '', ...args] = version;
  const cwd = await openFolder(workspaceRoot, folder);
  const [platform] = platforms;
  const env =
    platform === undefined
      ? environmentOf(MACHINE_VARIABLES)
      : commandEnvironment(configured, { ...NOTHING_MADE, platform, name });
  const answer = await commandOutput(file, args, { cwd, env, timeoutMs: 60_000 });
  if (answer.missing) throw missingTool(file);
  const line = answer.text.split('\n', 1)[0]?.trim() ?? '';
  if (answer.ok && line !== '') return line.slice(0, 200);
  throw new PrebuiltError(
    'TOOLCHAIN',
    `${version.join(' ')}: expected a line with the tool’s version, found ${answer.ok ? 'nothing' : answer.text}`,
    { hint: 'Use a command that prints it, such as ["zig", "version"], or omit "version".' },
  );
}

// The same lookup as at run time: a path relative to the folder, or a name in PATH.
async function findProgram(
  configured: CommandOptions,
  { workspaceRoot, name }: BuildContext,
  platform: Platform,
): Promise<string> {
  const file = fillPlaceholders(configured.command[0] ?? '', { ...NOTHING_MADE, platform, name });
  const folder = resolve(workspaceRoot, configured.folder);
  const candidates = file.includes('/')
    ? [resolve(folder, file)]
    : (process.env.PATH ?? '').split(delimiter).map((each) => join(each, file));
  for (const candidate of candidates) {
    const usable = await access(candidate, constants.X_OK).then(
      async () => (await stat(candidate)).isFile(),
      () => false,
    );
    if (usable) return candidate;
  }
  throw missingTool(file, `It compiles for ${platform}: install it, or add its folder to PATH.`);
}
