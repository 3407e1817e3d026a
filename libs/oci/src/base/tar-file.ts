import { BlockReader } from '../layer/block-reader.ts';
import { exceeded, readChanges } from './layer-changes.ts';

/**
 * The content of a file in a tar, which is not read any further; undefined if the tar has no such file, or something
 * else at its path. The path is relative, without `./`. Throws `INVALID_LAYER` for damaged data, and `LAYER_LIMIT` for a
 * file of more than `maxBytes`.
 */
export async function readTarFile(
  source: AsyncIterable<Buffer>,
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const options = { contents: new Set([path]), maxContent: maxBytes };
  for await (const change of readChanges(new BlockReader(source), options)) {
    if (change.path !== path) continue;
    if (change.size > maxBytes) throw exceeded(`${maxBytes} bytes in ${path}`);
    return change.content;
  }
  return undefined;
}
