import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { generatedFiles } from './generate.ts';
import { configJsonSchema } from './reference.ts';

describe('generated files', () => {
  it.each([...generatedFiles()].map(([url, text]) => [url.pathname.split('/').at(-1), url, text] as const))(
    '%s is up to date with its definition (npm run generate updates it)',
    async (_, url, text) => {
      expect(await readFile(url, 'utf8')).toBe(text);
    },
  );

  it('the JSON Schema describes every key and its default value', () => {
    const { properties = {} } = configJsonSchema();
    for (const [key, schema] of Object.entries(properties)) {
      expect(schema.description, key).toBeTypeOf('string');
    }
    expect(properties.checkInterval).toMatchObject({
      type: 'string',
      default: '30s',
      pattern: expect.any(String),
    });
    expect(properties.httpPort).toMatchObject({ maximum: 65_535, default: 8080 });
    expect(configJsonSchema().required).toEqual(['mounts']);
  });
});
