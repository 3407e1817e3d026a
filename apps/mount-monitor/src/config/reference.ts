import { toJsonSchema } from '@valibot/to-json-schema';
import { table } from '../reference/table.ts';
import { durationPattern } from './duration.ts';
import { MAX_DEPTH } from './json.ts';
import { configSchema, MAX_WHOLE_NUMBER } from './schema.ts';

/** The part of JSON Schema that the configuration's schema uses. */
export interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly [keyword: string]: unknown;
}

/** Generates the configuration file's JSON Schema (draft-07, which editors support best). */
export function configJsonSchema(): JsonSchema {
  const schema = toJsonSchema(configSchema, {
    target: 'draft-07',
    typeMode: 'input',
    // Checks written in code have no counterpart.
    ignoreActions: ['check', 'transform', 'raw_transform'],
    overrideSchema: ({ jsonSchema }) =>
      jsonSchema.type === 'object' ? { ...jsonSchema, additionalProperties: false } : undefined,
  });
  return {
    ...(schema as unknown as JsonSchema),
    title: 'mount-monitor configuration',
  };
}

/** Generates the Markdown reference page of all keys. */
export function configReference(): string {
  const schema = configJsonSchema();
  const sections = [
    section('The file', '', schema),
    section('`mounts[]`', 'mounts[].', schema.properties?.mounts?.items),
    section('`watchdog`', 'watchdog.', schema.properties?.watchdog),
    section('`watchdog.budget`', 'watchdog.budget.', schema.properties?.watchdog?.properties?.budget),
  ];
  return `${intro}\n${sections.join('\n')}`;
}

function section(title: string, prefix: string, schema: JsonSchema | undefined): string {
  const keys = Object.entries(schema?.properties ?? {}).filter(([key]) => key !== '$schema');
  const rows = keys.map(([key, value]) => {
    const preset = value.default === undefined || value.type === 'object' ? '' : code(value.default);
    const required = schema?.required?.includes(key) === true ? 'required' : preset;
    return [`\`${prefix}${key}\``, typeText(value), required, value.description ?? ''];
  });
  return `## ${title}\n\n${table(['key', 'type', 'default', 'meaning'], rows)}`;
}

function typeText(schema: JsonSchema, inUnion = false): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map((option) => typeText(option, true)).join(' or ');
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  if (schema.pattern === durationPattern.source) return 'duration';
  if (schema.type === 'array') return 'list';
  if (schema.type === 'integer' && inUnion) return 'nanoseconds';
  if (schema.type === 'integer') return `whole number${bounds(schema)}`;
  return schema.type ?? '';
}

function bounds({ minimum, maximum }: JsonSchema): string {
  if (maximum !== undefined && maximum < MAX_WHOLE_NUMBER)
    return minimum === undefined ? `, at most ${maximum}` : `, ${minimum} to ${maximum}`;
  return minimum === undefined ? '' : `, ${minimum} or more`;
}

function code(value: unknown): string {
  return `\`${JSON.stringify(value)}\``;
}

const flags = [
  ['`-c`, `--config PATH`', 'the configuration file'],
  ['`--http-port PORT`', "overrides the file's `httpPort`"],
  ['`--log-level LEVEL`', "overrides the file's `logLevel`"],
  ['`--log-format FORMAT`', "overrides the file's `logFormat`"],
  ['`--init-container-mode`', 'check every mount once, all in parallel; exit 0 if all passed, otherwise 1'],
  ['`--check`', 'check every mount once and print a table; exit 0 if all passed, otherwise 1'],
  ['`--json`', 'with `--check`: print one JSON object'],
  ['`--validate`', 'check the configuration and exit: 0 if it is valid, otherwise 1'],
  ['`--version`', 'print the version and exit'],
  ['`-h`, `--help`', 'print the flags and exit'],
];

const variables = [
  ['`BUN_OPTIONS`', 'is prepended to the command line, as flags for the runtime'],
  ['`BUN_BE_BUN=1`', 'the executable becomes the `bun` command instead of the monitor'],
  ['`BUN_INSPECT` and similar variables', 'the executable listens for a debugger'],
];

const intro = `# Configuration

<!-- Generated from apps/mount-monitor/src/config/schema.ts: npm run generate -w mount-monitor -->

mount-monitor reads one JSON file of at most 1 MiB: the one given with \`-c\`/\`--config\`, or \`./config.json\`.
The file overrides the defaults, and flags override the file. \`apps/mount-monitor/config.schema.json\` is its JSON
Schema; a \`$schema\` key is allowed, so editors can check and complete the file.

\`\`\`json
{
  "checkInterval": "30s",
  "readTimeout": "5s",
  "failureThreshold": 3,
  "mounts": [
    { "name": "movies", "path": "/mnt/movies" },
    { "name": "tv", "path": "/mnt/tv", "checkType": "mountpoint", "fsType": "fuse.rclone" }
  ],
  "watchdog": { "enabled": true, "restartDelay": "30s", "budget": { "restarts": 5, "window": "1h" } }
}
\`\`\`

A **duration** is a string of numbers with units: \`"250ms"\`, \`"30s"\`, \`"1m30s"\`, \`"1.5h"\` (units \`ns\`, \`us\`, \`ms\`,
\`s\`, \`m\`, \`h\`). The watchdog's durations may also be whole numbers of nanoseconds.

All problems are reported at once, each with its path, the value found and what is allowed:

\`\`\`
configuration error: config.json: 2 problems
  mounts[1].path: found nothing, allowed: a path that is not empty
  httpPort: found 70000, allowed: a whole number from 1 to 65535
\`\`\`

- **Unknown keys** cause a warning, with the nearest known key, and are ignored. A key that differs only in case is used, with
  a warning. With \`--validate\`, both are errors.
- \`null\` means the same as leaving the key out, and so does \`""\` for \`logLevel\`, \`logFormat\`,
  \`canaryFile\` and \`checkType\`, because templates produce it.
- A file that every user may write to causes a warning. A file that cannot be read within 5 s, for example on a hung mount, is
  rejected; so is anything that is not a regular file, and JSON nested more than ${MAX_DEPTH} levels deep.
- **Init container mode** checks only what it uses: mounts, \`canaryFile\`, \`readTimeout\` and the log's settings. Other
  invalid values cause a warning and are ignored.

The check types are explained in [checks.md](checks.md), the watchdog's modes in [watchdog.md](watchdog.md).

The file is read again on SIGHUP and when its content has changed (checked every 10 s, so a ConfigMap update is
enough). A valid file takes effect immediately: a mount whose check is unchanged keeps its state, any other starts as
\`unknown\`. An invalid file is logged, shown by the metric \`mount_monitor_config_last_reload_successful\`, and changes
nothing.

## Flags

${table(['flag', 'meaning'], flags)}
\`--check\` is for people at a shell, and for health checks that run a command (an \`exec\` probe, Compose): it runs its own checks,
whether or not a monitor is running. If one is, calling its endpoints is cheaper.

Long flags also work with one dash, and take their value after \`=\` or as the next argument. An invalid flag exits with code 2, an
invalid configuration with code 1.

## Environment

The watchdog reads \`POD_NAME\`, \`POD_NAMESPACE\` and what Kubernetes sets. The variables below change the executable itself,
because it contains the Bun runtime: do not set them, and do not let others set them.

${table(['variable', 'effect'], variables)}
Probes start without any of the monitor's variables.
`;
