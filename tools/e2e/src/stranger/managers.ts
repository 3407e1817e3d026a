import type { Manager } from './tools.ts';

/** The registries that packages come from. */
interface Sources {
  /** The registry for all packages except the published ones. */
  readonly registry: string;
  /** A file of additional certificates to trust; empty if there is none. */
  readonly cafile: string;
  /** The registry of the published packages. */
  readonly published: string;
}

/** How to configure a package manager's registries, and how to call it. */
interface ManagerCommands {
  /** Its settings files in a workspace's root. */
  files(sources: Sources): Readonly<Record<string, string>>;
  readonly install: readonly string[];
  /** The command that runs a program of an installed package. */
  readonly exec: readonly [string, ...string[]];
}

const SCOPE = '@prebuilt';

function npmrc({ registry, cafile, published }: Sources): string {
  return [
    `registry=${registry}`,
    ...(cafile ? [`cafile=${cafile}`] : []),
    `${SCOPE}:registry=${published}`,
    '',
  ].join('\n');
}

/** The package managers. Minimum release ages are turned off, since the packages were published just now. */
export const MANAGERS: Readonly<Record<Manager, ManagerCommands>> = {
  npm: {
    files: (sources) => ({ '.npmrc': `${npmrc(sources)}audit=false\nfund=false\n` }),
    install: ['install'],
    exec: ['npx'],
  },
  pnpm: {
    files: (sources) => ({
      '.npmrc': npmrc(sources),
      'pnpm-workspace.yaml': `packages: ['apps/*']\nminimumReleaseAge: 0\nallowBuilds: { nx: true }\n`,
    }),
    install: ['install'],
    exec: ['pnpm', 'exec'],
  },
  yarn: {
    files: ({ registry, cafile, published }) => ({
      '.yarnrc.yml': [
        'nodeLinker: node-modules',
        'enableTelemetry: false',
        'npmMinimalAgeGate: 0',
        `npmRegistryServer: ${JSON.stringify(registry)}`,
        ...(cafile ? [`httpsCaFilePath: ${JSON.stringify(cafile)}`] : []),
        'unsafeHttpWhitelist: ["127.0.0.1"]',
        `npmScopes: { ${SCOPE.slice(1)}: { npmRegistryServer: ${JSON.stringify(published)}, npmMinimalAgeGate: 0 } }`,
        '',
      ].join('\n'),
    }),
    install: ['install'],
    exec: ['yarn', 'exec'],
  },
  bun: {
    files: ({ registry, cafile, published }) => ({
      'bunfig.toml': [
        '[install]',
        `registry = ${JSON.stringify(registry)}`,
        ...(cafile ? [`cafile = ${JSON.stringify(cafile)}`] : []),
        'minimumReleaseAge = 0',
        '[install.scopes]',
        `${JSON.stringify(SCOPE)} = ${JSON.stringify(published)}`,
        '',
      ].join('\n'),
    }),
    install: ['install'],
    exec: ['bunx'],
  },
};
