import { configJsonSchema, type JsonSchema } from '../config/reference.ts';

const text = (description: string): JsonSchema => ({ type: 'string', description });
const object = (properties: Readonly<Record<string, JsonSchema>>, description = ''): JsonSchema => ({
  type: 'object',
  ...(description === '' ? {} : { description }),
  properties,
  additionalProperties: false,
});
const name = (description: string): JsonSchema => ({
  type: 'string',
  pattern: '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$',
  description,
});
const labels: JsonSchema = {
  type: 'object',
  description: 'Labels that your Prometheus selects.',
  additionalProperties: { type: 'string' },
};
const interval: JsonSchema = {
  type: 'string',
  pattern: '^[0-9]+(ms|s|m|h)$',
  description: 'How often to scrape.',
};
const enabled: JsonSchema = { type: 'boolean', description: 'Whether the object is created.' };
const anything = (description: string): JsonSchema => ({ type: 'object', description });
const list = (description: string): JsonSchema => ({ type: 'array', description, items: { type: 'object' } });

/** Returns the JSON Schema of the chart's values. `config` is the configuration file's own schema. */
export function chartValuesSchema(): JsonSchema {
  const { $schema, title, ...config } = configJsonSchema();
  return {
    $schema,
    title: 'Values of the mount-monitor chart',
    ...object({
      // Helm passes it to every subchart.
      global: anything('Values shared by all charts; not used.'),
      config: { ...config, description: 'config.json: docs/configuration.md.' },
      image: object({
        repository: text('Without a tag; all lower case.'),
        tag: text('Defaults to the chart’s appVersion.'),
        digest: {
          type: 'string',
          pattern: '^(sha256:[0-9a-f]{64})?$',
          description: 'sha256:…; overrides the tag.',
        },
        pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'], description: 'As in Kubernetes.' },
      }),
      fullnameOverride: name('The name of all objects; defaults to RELEASE-mount-monitor.'),
      mountsVolume: object(
        {
          name: name('A volume of the pod.'),
          mountPath: { type: 'string', pattern: '^/', description: 'Where the monitor sees it.' },
        },
        'The volume that contains the mounts.',
      ),
      serviceAccount: object({
        create: { type: 'boolean', description: 'Whether the chart creates it.' },
        name: name('An existing account, or the name of the one to create.'),
      }),
      rbac: object({
        podNames: {
          type: 'array',
          description: 'The pods’ names, for a StatefulSet; limits the role to them.',
          items: { type: 'string', minLength: 1 },
        },
      }),
      resources: anything('The sidecar’s resources.'),
      securityContext: anything('The sidecar’s security context.'),
      startupFailureThreshold: {
        type: 'integer',
        minimum: 1,
        description: 'Failures of the startup probe, which runs every 5 s, until the sidecar is restarted.',
      },
      extraEnv: list('More environment variables for the sidecar.'),
      extraVolumeMounts: list('More volume mounts for the sidecar.'),
      networkPolicy: object({
        enabled,
        prometheusNamespace: name('The namespace in which Prometheus runs.'),
      }),
      podMonitor: object({ enabled, labels, interval }),
      serviceMonitor: object({ enabled, labels, interval }),
      prometheusRule: object({ enabled, labels }),
    }),
    required: ['config'],
  };
}
