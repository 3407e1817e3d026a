import type { Manager } from './tools.ts';

/** Where packages come from. */
interface Sources {
  /** The registry for everything but the published packages. */
  readonly registry: string;
  /** A file of certificates to trust; empty where there is none of its own. */
  readonly cafile: string;
  /** The registry of the published packages. */
  readonly published: string;
}

/** How a package manager is told where packages come from, and how it is called. */
interface ManagerCommands {
  /** Its files of settings in a workspace's root. */
  files(sources: Sources): Readonly<Record<string, string>>;
  readonly install: readonly string[];
  /** What runs a program of an installed package. */
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

/** The package managers. Each would rather wait a day than take a version that was published just now, where it can. */
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
