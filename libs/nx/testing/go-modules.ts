import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { crc32 } from 'node:zlib';

/** Module versions by path and version, each with the texts of its files by path. */
export type GoModules = Readonly<Record<`${string}@v${string}`, Readonly<Record<string, string>>>>;

/**
 * Writes modules to a folder in the layout of a module proxy, and returns the environment that makes Go fetch modules
 * only from there. https://go.dev/ref/mod#goproxy-protocol
 */
export async function serveGoModules(
  folder: string,
  modules: GoModules,
): Promise<Readonly<Record<string, string>>> {
  for (const [id, files] of Object.entries(modules)) {
    const [path = '', version = ''] = id.split('@');
    const place = join(folder, 'proxy', path, '@v');
    await mkdir(place, { recursive: true });
    await writeFile(join(place, `${version}.info`), JSON.stringify({ Version: version }));
    await writeFile(join(place, `${version}.mod`), files['go.mod'] ?? `module ${path}\n`);
    const named = Object.entries(files).map(([name, text]) => [`${id}/${name}`, text] as const);
    await writeFile(join(place, `${version}.zip`), zipOf(named));
  }
  return {
    GOPROXY: pathToFileURL(join(folder, 'proxy')).href,
    GOSUMDB: 'off',
    GOMODCACHE: join(folder, 'modules'),
  };
}

// A ZIP file without compression. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
function zipOf(files: readonly (readonly [string, string])[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [path, text] of files) {
    const [name, content] = [Buffer.from(path), Buffer.from(text)];
    const facts = Buffer.alloc(26);
    facts.writeUInt16LE(20, 0);
    facts.writeUInt32LE(crc32(content), 10);
    facts.writeUInt32LE(content.length, 14);
    facts.writeUInt32LE(content.length, 18);
    facts.writeUInt16LE(name.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), facts, name, content]);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), facts, place, name]));
    parts.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(Buffer.concat(directory).length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, ...directory, Buffer.from('PK\x05\x06'), end]);
}
