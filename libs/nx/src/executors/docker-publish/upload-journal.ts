import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeFile, replaceFile } from '../../files/replace-file.ts';

/** An upload that is open at a registry. */
export interface OpenUpload {
  /** `registry/repository`. */
  readonly repository: string;
  readonly url: string;
}

/** Remembers on disk which uploads are open, so that the run after a killed one can cancel them. */
export interface UploadJournal {
  /** Notes the URL of an upload under a key of its own; undefined once it is no longer open. */
  note(repository: string, key: string, url: string | undefined): void;
  /** Removes the file. */
  close(): void;
}

/** The name of the journal inside the folder that publishing writes. */
const UPLOADS_FILE = 'uploads.json';

/**
 * Opens the journal in a folder, with the uploads in it that a killed run left open. The file is readable by its owner
 * only, since the URLs of uploads let anyone who may push continue with them.
 */
export function openUploadJournal(folder: string, abandoned: readonly OpenUpload[]): UploadJournal {
  const path = join(folder, UPLOADS_FILE);
  const open = new Map<string, OpenUpload>(
    abandoned.map((upload, index) => [`abandoned ${index}`, upload] as const),
  );
  return {
    note(repository, key, url) {
      if (url === undefined) open.delete(`${repository} ${key}`);
      else open.set(`${repository} ${key}`, { repository, url });
      replaceFile(path, JSON.stringify([...open.values()]), 0o600);
    },
    close: () => removeFile(path),
  };
}

/**
 * The uploads that a killed run left open. A journal that is damaged counts as none: registries remove open uploads
 * themselves in time.
 */
export function readAbandonedUploads(folder: string): readonly OpenUpload[] {
  try {
    const entries: unknown = JSON.parse(readFileSync(join(folder, UPLOADS_FILE), 'utf8'));
    return Array.isArray(entries) ? entries.filter(isOpenUpload) : [];
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function isOpenUpload(entry: unknown): entry is OpenUpload {
  if (typeof entry !== 'object' || entry === null) return false;
  const { repository, url } = entry as Partial<OpenUpload>;
  return typeof repository === 'string' && typeof url === 'string' && URL.canParse(url);
}
