import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeFile, replaceFile } from '../../files/replace-file.ts';

/** An upload that is open on a registry. */
export interface OpenUpload {
  /** `registry/repository`. */
  readonly repository: string;
  readonly url: string;
}

/** Keeps the open uploads on disk, so that the next run can cancel them if this one is killed. */
export interface UploadJournal {
  /** Records the URL of an upload under its own key; undefined means that it is no longer open. */
  note(repository: string, key: string, url: string | undefined): void;
  /** Removes the file. */
  close(): void;
}

/** The name of the journal in the publish output folder. */
const UPLOADS_FILE = 'uploads.json';

/**
 * Opens the journal in a folder, starting with the uploads that a killed run left open. Only the owner can read the
 * file, since anyone who may push could continue an upload by its URL.
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
 * The uploads that a killed run left open. A damaged journal counts as empty, since registries eventually remove open
 * uploads themselves.
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
