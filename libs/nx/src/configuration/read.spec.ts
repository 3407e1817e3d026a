import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfiguration, readPluginOptions } from './read.ts';

const problems = (configuration: unknown): readonly string[] => {
  const read = parseConfiguration(
    typeof configuration === 'string' ? configuration : JSON.stringify(configuration),
  );
  return read.ok ? [] : read.problems;
};

describe('prebuilt.json', () => {
  it.each([
    {},
    { $schema: '../../node_modules/@prebuilt/nx/schemas/prebuilt.json' },
    { name: 'server', toolchain: 'bun', platforms: ['linux/amd64'], output: 'out/server', page: false },
    { toolchain: { name: 'bun', entry: 'src/main.ts' }, image: false },
    {
      image: {
        files: ['ca-certificates', 'LICENSE', { path: 'x', to: '/etc/x', mode: '0400', owner: '1:1' }],
      },
    },
    { image: { repository: ['ghcr.io/acme/server', 'docker.io/acme/server'], compression: 'zstd' } },
  ])('a prebuilt.json with the content %j is accepted', (configuration) => {
    expect(problems(configuration)).toEqual([]);
  });

  it.each<[unknown, string]>([
    ['', 'expected JSON: Unexpected end of JSON input'],
    ['{"name": "a",}', 'expected JSON: '],
    ['[]', '(root): expected an object, found []'],
    ['null', '(root): expected an object, found null'],
    [{ Name: 'server' }, 'Name: unknown key; did you mean "name"?'],
    [{ plattforms: [] }, 'plattforms: unknown key; did you mean "platforms"?'],
    [{ entirelyDifferent: 1 }, 'entirelyDifferent: unknown key'],
    [{ image: { repo: 'x' } }, 'image.repo: unknown key'],
    [{ image: { repositry: 'x' } }, 'image.repositry: unknown key; did you mean "repository"?'],
    [{ image: { dockerFile: 'x' } }, 'image.dockerFile: unknown key; did you mean "dockerfile"?'],
    [{ name: 'Server' }, 'name: expected lowercase letters'],
    [{ name: 'acme/server' }, 'name: expected lowercase letters'],
    [{ name: '../server' }, 'name: expected lowercase letters'],
    [{ name: '' }, 'name: expected lowercase letters'],
    [{ name: 'a'.repeat(102) }, 'name: expected lowercase letters'],
    [{ name: 1 }, 'found 1'],
    [{ toolchain: 1 }, 'toolchain: expected a toolchain’s name, or an object with a "name", found 1'],
    [{ toolchain: {} }, 'toolchain.name: expected'],
    [{ toolchain: '' }, 'toolchain: expected'],
    [{ platforms: [] }, 'platforms: expected at least one platform, found []'],
    [{ platforms: 'linux/amd64' }, 'platforms: expected a list of platforms'],
    [{ platforms: ['linux/amd65'] }, 'found "linux/amd65"'],
    [{ platforms: ['windows/amd64'] }, 'found "windows/amd64"'],
    [{ platforms: ['linux/amd64', 'linux/x86_64'] }, 'linux/amd64 is named more than once'],
    [{ image: true }, 'image: expected an object, or false for a program without an image, found true'],
    [{ image: { repository: [] } }, 'image.repository: expected'],
    [{ image: { compression: 'brotli' } }, 'image.compression: expected "gzip" or "zstd", found "brotli"'],
    [{ image: { files: 'LICENSE' } }, 'image.files: expected a list such as ["ca-certificates", "LICENSE"]'],
    [
      { image: { files: [1] } },
      'image.files.0: expected a built-in, a path, or an object with a "path", found 1',
    ],
    [{ image: { files: [{ path: 'x', mod: '1' }] } }, 'image.files.0.mod: unknown key; did you mean "mode"?'],
    [{ image: { files: [{ to: '/x' }] } }, 'image.files.0.path: expected'],
    [{ image: { title: '' } }, 'image.title: expected a string that is not empty, found ""'],
    [{ page: 'yes' }, 'page: expected true or false, found "yes"'],
    [
      { output: '/etc' },
      'output: expected a folder inside the workspace, such as "dist/server", found "/etc"',
    ],
    [{ output: '../dist' }, 'output: expected a folder inside the workspace'],
    [{ output: 'dist/../..' }, 'output: expected a folder inside the workspace'],
    [{ output: '.' }, 'output: expected a folder inside the workspace'],
    [{ output: 'dist\\server' }, 'output: expected a folder inside the workspace'],
    [{ output: '' }, 'output: expected a path'],
  ])('a prebuilt.json with the content %j is refused', (configuration, problem) => {
    expect(problems(configuration)).toEqual([expect.stringContaining(problem)]);
  });

  it('a prebuilt.json is refused with all of its problems at once', () => {
    expect(problems({ nam: 'x', page: 1, image: { titel: 'x' }, platforms: [1] })).toHaveLength(4);
  });

  it('a prebuilt.json is refused if it is too large', () => {
    expect(problems(JSON.stringify({ name: 'a'.repeat(1024 * 1024) }))).toEqual([
      expect.stringContaining('expected at most 1048576 bytes'),
    ]);
  });

  it('reading a prebuilt.json never throws, whatever its content', () => {
    fc.assert(fc.property(fc.json(), (text) => void parseConfiguration(text)));
    fc.assert(fc.property(fc.string(), (text) => void parseConfiguration(text)));
  });
});

describe('the plugin’s options', () => {
  it.each([undefined, {}, { repository: 'ghcr.io/acme/{projectName}', targetNames: { verify: 'prove' } }])(
    'the plugin’s options may be %j',
    (options) => {
      expect(readPluginOptions(options)).toMatchObject({ ok: true });
    },
  );

  it.each([
    [{ targetNames: { prove: 'x' } }, 'targetNames.prove: unknown key'],
    [{ repositories: 'x' }, 'repositories: unknown key; did you mean "repository"?'],
    [{ platforms: ['linux/z80'] }, 'found "linux/z80"'],
    ['text', '(root): expected an object, found "text"'],
  ])('the plugin’s options %j are refused', (options, problem) => {
    expect(readPluginOptions(options)).toEqual({ ok: false, problems: [expect.stringContaining(problem)] });
  });
});
