import { createHash } from 'node:crypto';
import { readChunks } from './chunks.ts';

/** The hexadecimal SHA-256 of a file. Throws the file system's errors. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of readChunks(path)) hash.update(chunk);
  return hash.digest('hex');
}
