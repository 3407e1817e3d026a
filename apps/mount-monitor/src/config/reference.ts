import { toJsonSchema } from '@valibot/to-json-schema';
import { durationPattern } from './duration.ts';
import { MAX_DEPTH } from './json.ts';
import { configSchema, MAX_WHOLE_NUMBER } from './schema.ts';

/** As much of JSON Schema as the definition comes to. */
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

/** The JSON Schema (draft-07, which editors know best) of the configuration file, made from its definition. */
export function configJsonSchema(): JsonSchema {
  const schema = toJsonSchema(configSchema, {
    target: 'draft-07',
    typeMode: 'input',
    // Checks in code have no counterpart.
    ignoreActions: ['check', 'transform', 'raw_transform'],
    overrideSchema: ({ jsonSchema }) =>
      jsonSchema.type === 'object' ? { ...jsonSchema, additionalProperties: false } : undefined,
  });
  return {
    ...(schema as unknown as JsonSchema),
    title: 'mount-monitor configuration',
  };
}

/** The reference page of all keys, in Markdown. */
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
    return `| \`${prefix}${key}\` | ${typeText(value)} | ${required} | ${value.description ?? ''} |`;
  });
  return `## ${title}\n\n| key | type | default | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`;
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

const intro = `# Configuration

<!-- Generated from apps/mount-monitor/src/config/schema.ts: npm run generate -w mount-monitor -->

mount-monitor reads one JSON file of at most 1 MiB: the one that \`-c\`/\`--config\` names, else \`./config.json\`.
Defaults are overridden by the file, and the file by flags. \`apps/mount-monitor/config.schema.json\` is its JSON
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

A **duration** is a text of numbers with units: \`"250ms"\`, \`"30s"\`, \`"1m30s"\`, \`"1.5h"\` (units \`ns\`, \`us\`, \`ms\`,
\`s\`, \`m\`, \`h\`). The watchdog's durations may also be whole numbers of nanoseconds.

What is wrong is reported in one go, each problem with its path, the value found and what is allowed:

\`\`\`
configuration error: config.json: 2 problems
  mounts[1].path: found nothing, allowed: a path that is not empty
  httpPort: found 70000, allowed: a whole number from 1 to 65535
\`\`\`

- **Unknown keys** are warned about, with the nearest known key, and ignored. A key whose letters differ only in case
  is used, and warned about. Under \`--validate\` both are errors.
- \`null\` means the same as leaving the key out, and so does \`""\` for \`logLevel\`, \`logFormat\`,
  \`canaryFile\` and \`checkType\`, as templates produce it.
- A file that every user may write is warned about. One that cannot be read within 5 s, such as on a mount that hangs, is
  refused; so is anything that is no regular file, and JSON nested more than ${MAX_DEPTH} levels deep.
- **Init container mode** looks only at what it uses: mounts, \`canaryFile\`, \`readTimeout\` and the log's settings. Other
  values that would be refused are warned about and ignored.

The check types are told apart in [checks.md](checks.md), the watchdog's modes in [watchdog.md](watchdog.md).

The file is read again on SIGHUP and when its content has changed (looked at every 10 s, so a ConfigMap update is
enough). A valid one takes effect at once: a mount that is checked as before keeps its state, any other starts as
\`unknown\`. An invalid one is logged, shown by the metric \`mount_monitor_config_last_reload_successful\`, and changes
nothing.

## Flags

| flag | meaning |
|---|---|
| \`-c\`, \`--config PATH\` | the configuration file |
| \`--http-port PORT\` | over the file's \`httpPort\` |
| \`--log-level LEVEL\` | over the file's \`logLevel\` |
| \`--log-format FORMAT\` | over the file's \`logFormat\` |
| \`--init-container-mode\` | check every mount once, all in parallel; exit 0 if all passed, else 1 |
| \`--check\` | check every mount once and print a table; exit 0 if all passed, else 1 |
| \`--json\` | with \`--check\`: print one JSON object |
| \`--validate\` | check the configuration and exit: 0 if it is valid, else 1 |
| \`--version\` | print the version and exit |
| \`-h\`, \`--help\` | print the flags and exit |

\`--check\` is for people at a shell, and for what runs a command to learn whether something is healthy (an \`exec\` probe,
Compose): it checks by itself, beside a monitor that runs or without one. Where one runs, asking its endpoints is cheaper.

Long flags also work with one dash, and take their value behind \`=\` or as the next argument. A bad flag exits 2, a bad
configuration exits 1.

## Environment

The watchdog reads \`POD_NAME\`, \`POD_NAMESPACE\` and what Kubernetes sets. These change the executable itself, because it holds the runtime Bun; set none of
them, and keep others from setting them:

| variable | effect |
|---|---|
| \`BUN_OPTIONS\` | its text is put before the command line, as flags of the runtime |
| \`BUN_BE_BUN=1\` | the executable is the \`bun\` command, and no monitor |
| \`BUN_INSPECT\` and its kin | a debugger is listened for |

Probes start without any of the monitor's variables.
`;
