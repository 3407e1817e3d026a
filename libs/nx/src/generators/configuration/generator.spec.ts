import { addProjectConfiguration, readJson, readNxJson, type Tree } from '@nx/devkit';
import { createTreeWithEmptyWorkspace } from '@nx/devkit/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import configurationGenerator from './generator.ts';

let tree: Tree;
let locked: number;
const lock = async (): Promise<void> => {
  locked += 1;
};
const nobody = async (): Promise<undefined> => undefined;

beforeEach(() => {
  locked = 0;
  tree = createTreeWithEmptyWorkspace();
  addProjectConfiguration(tree, 'server', { root: 'apps/server' });
  tree.write('apps/server/src/main.ts', '');
});

type Options = Parameters<typeof configurationGenerator>[1];
const generate = (options: Options, ask = nobody as () => Promise<string | undefined>) =>
  configurationGenerator(tree, options, { ask, lock });
const written = () => readJson(tree, 'apps/server/prebuilt.json');
const $schema = '../../node_modules/@prebuilt/nx/schemas/prebuilt.json';

describe('the configuration generator', () => {
  it('writes only the schema if the rest is detected, registers the plugin, and locks', async () => {
    await generate({ project: 'server' });
    expect(written()).toEqual({ $schema });
    expect(readNxJson(tree)?.plugins).toEqual(['@prebuilt/nx']);
    expect(tree.exists('apps/server/Dockerfile.release')).toBe(false);
    expect(locked).toBe(1);
  });

  it('changes nothing when run again', async () => {
    await generate({ project: 'server', repository: 'ghcr.io/acme/server', dockerfile: true });
    const before = tree.listChanges().map(({ path, content }) => [path, `${content}`]);
    await generate({ project: 'server', dockerfile: true });
    expect(tree.listChanges().map(({ path, content }) => [path, `${content}`])).toEqual(before);
  });

  it('keeps an existing prebuilt.json, except for what options change', async () => {
    tree.write('apps/server/prebuilt.json', JSON.stringify({ name: 'srv', image: { title: 'Server' } }));
    await generate({ project: 'server', repository: 'ghcr.io/acme/server' });
    expect(written()).toEqual({
      $schema,
      name: 'srv',
      image: { title: 'Server', repository: 'ghcr.io/acme/server' },
    });
  });

  it('imports executables built by another target', async () => {
    await generate({ project: 'server', files: 'out/{arch}/server', dependsOn: ['compile'] });
    expect(written().toolchain).toEqual({
      name: 'import',
      files: 'out/{arch}/server',
      dependsOn: ['compile'],
    });
  });

  it('turns a folder into a project', async () => {
    tree.write('tools/cli/src/index.ts', '');
    await generate({ project: 'tools/cli' });
    expect(tree.exists('tools/cli/prebuilt.json')).toBe(true);
  });

  it('writes the Dockerfile.release that builds would generate, but never overwrites one', async () => {
    await generate({ project: 'server', dockerfile: true });
    expect(tree.read('apps/server/Dockerfile.release', 'utf8')).toContain('ENTRYPOINT ["/server"]');
    tree.write('apps/server/Dockerfile.release', 'FROM scratch\n');
    await generate({ project: 'server', dockerfile: true });
    expect(tree.read('apps/server/Dockerfile.release', 'utf8')).toBe('FROM scratch\n');
  });

  it('asks for the toolchain if it can’t be detected', async () => {
    tree.delete('apps/server/src/main.ts');
    const answers = ['import', 'out/{arch}/server'];
    await generate({ project: 'server' }, async () => answers.shift());
    expect(written().toolchain).toEqual({ name: 'import', files: 'out/{arch}/server' });
    expect(answers).toEqual([]);
  });

  it('says what to specify if nobody can answer, and writes nothing', async () => {
    tree.delete('apps/server/src/main.ts');
    await expect(generate({ project: 'server' })).rejects.toThrow(
      /error CONFIGURATION: apps\/server\/prebuilt\.json: toolchain: expected files next to prebuilt\.json/,
    );
    expect(tree.exists('apps/server/prebuilt.json')).toBe(false);
    expect(readNxJson(tree)?.plugins).toBeUndefined();
    expect(locked).toBe(0);
  });

  it.each<[Options, string]>([
    [
      { project: 'sever' },
      'project: expected a project or a program’s folder, found "sever"; did you mean "server"?',
    ],
    [{ project: '../server' }, 'found "../server"'],
    [{ project: 'server', toolchain: 'bunn' }, 'found "bunn"; did you mean "bun"?'],
    [{ project: 'server', entry: 'main.go' }, 'toolchain.entry: expected a JavaScript or TypeScript file'],
    [{ project: 'server', files: 'out/server' }, 'toolchain.files: expected'],
  ])('refuses %j', async (options, message) => {
    await expect(generate(options)).rejects.toThrow(message);
    expect(tree.exists('apps/server/prebuilt.json')).toBe(false);
  });

  it('refuses to change an invalid prebuilt.json', async () => {
    tree.write('apps/server/prebuilt.json', '{ "nam": 1 }');
    await expect(generate({ project: 'server' })).rejects.toThrow('nam: unknown key; did you mean "name"?');
    expect(tree.read('apps/server/prebuilt.json', 'utf8')).toBe('{ "nam": 1 }');
  });
});
