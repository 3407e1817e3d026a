import type { Descriptor } from '../../descriptor.ts';
import { OciError } from '../../errors.ts';
import type { RepositoryAccess } from '../access.ts';
import type { Blobs } from '../blobs.ts';
import {
  addressText,
  discard,
  type Operation,
  parseAddress,
  TransientFailure,
  withParameter,
} from '../transport/index.ts';
import { openSender, type UploadContent, type UploadSender } from './content.ts';
import { openSessions, type UploadSession, type UploadSessions } from './session.ts';

/** The outcome of uploading a blob. Sizes are in bytes. */
export interface UploadOutcome {
  readonly how: 'present' | 'mounted' | 'uploaded';
  /** Bytes sent, including those of failed tries. */
  readonly sent: number;
}

/** Options for an upload. */
export interface UploadOptions {
  /** A repository in the same registry that may have the blob. */
  readonly mountFrom?: string;
  readonly onSent?: (bytes: number) => void;
  /** Called with the URL of the open upload whenever it changes, and with undefined once none is open. */
  readonly onSession?: (url: string | undefined) => void;
}

/** Writes the blobs in a repository. */
export interface Uploads {
  /** Opens an upload and cancels it. Throws if this user may not push. */
  checkPush(): Promise<void>;
  /**
   * Uploads a blob unless the registry has it or can mount it from `mountFrom`. `open` returns the content from an
   * offset on, and is called again if an interrupted upload is resumed; each chunk has been sent once the next one is
   * requested.
   */
  uploadBlob(
    descriptor: Descriptor,
    open: (offset: number) => AsyncIterable<Uint8Array>,
    options?: UploadOptions,
  ): Promise<UploadOutcome>;
  /**
   * Cancels an upload that an earlier process left open, as far as the registry allows: an upload that was interrupted
   * partway may no longer be reachable by any known URL. An upload that the registry no longer knows is not an error.
   */
  cancelUpload(url: string): Promise<void>;
}

/** Uploads of blobs to a repository. */
export function openUploads(access: RepositoryAccess, blobs: Blobs): Uploads {
  const { transport, presence, label, base } = access;
  const sessions = openSessions(access);
  const sender = openSender(access, sessions);

  async function checkPush(): Promise<void> {
    await transport.attempt(label('check the right to push'), async (operation) => {
      const response = await access.send(operation, {
        method: 'POST',
        address: access.at('blobs/uploads/'),
        headers: { 'content-length': '0' },
      });
      await discard(await access.expectStatus(operation, response, [201, 202]));
      const none = { address: response.address, offset: 0, minChunk: 0 };
      if (response.headers.location !== undefined)
        await sessions.cancel(operation, sessions.next(operation, response, none).address);
    });
  }

  async function uploadBlob(
    descriptor: Descriptor,
    open: (offset: number) => AsyncIterable<Uint8Array>,
    { mountFrom, onSent, onSession }: UploadOptions = {},
  ): Promise<UploadOutcome> {
    const { digest, size } = descriptor;
    if (presence.knows(digest)) return { how: 'present', sent: 0 };
    if (await blobs.hasBlob(digest)) {
      presence.note(digest);
      return { how: 'present', sent: 0 };
    }
    let sent = 0;
    const count = (bytes: number): void => {
      sent += bytes;
      onSent?.(bytes);
    };
    const upload = startUpload({ access, blobs, sessions, sender }, { descriptor, open, count }, onSession);
    const name = label(`upload ${digest}`);
    try {
      const how = await transport.attempt(name, (operation) => upload.run(operation, mountFrom), {
        transfer: size,
      });
      presence.note(digest);
      return { how, sent };
    } catch (error) {
      await upload.abandon(name);
      throw error;
    } finally {
      onSession?.(undefined);
    }
  }

  async function cancelUpload(url: string): Promise<void> {
    const name = label('cancel an upload');
    const address = parseAddress(name, 'the URL of an upload', url, base);
    if (address.url.origin !== base.origin) return;
    const operation = transport.begin(name);
    await sessions.cancel(operation, address).finally(() => operation.end());
  }

  return { checkPush, uploadBlob, cancelUpload };
}

interface UploadParts {
  readonly access: RepositoryAccess;
  readonly blobs: Blobs;
  readonly sessions: UploadSessions;
  readonly sender: UploadSender;
}

/** One upload with all its tries. */
function startUpload(
  { access, blobs, sessions, sender }: UploadParts,
  content: UploadContent,
  onSession: UploadOptions['onSession'],
): {
  run(operation: Operation, mountFrom: string | undefined): Promise<'mounted' | 'uploaded'>;
  abandon(name: string): Promise<void>;
} {
  const { digest } = content.descriptor;
  let session: UploadSession | undefined;
  // Once a blob sent in several requests turns out wrong, it is sent again in one.
  let resumes = true;

  function keep(next: UploadSession): UploadSession {
    session = next;
    onSession?.(addressText(next.address));
    return next;
  }

  async function run(operation: Operation, mountFrom: string | undefined): Promise<'mounted' | 'uploaded'> {
    const former = session;
    session = undefined;
    let begun: UploadSession | 'mounted' | undefined;
    if (former !== undefined) {
      begun = resumes ? await progressOf(operation, former) : undefined;
      if (begun === undefined) {
        await sessions.cancel(operation, former.address);
        // The registry may have stored it, with only its response lost.
        if (await blobs.hasBlob(digest)) return 'uploaded';
      }
    }
    begun ??= await sessions.begin(operation, digest, mountFrom);
    if (begun === 'mounted') return 'mounted';
    const resumed = begun.offset > 0;
    const sentTo = await sender.sendContent(operation, keep(begun), content);
    if (sentTo !== 'complete') await finish(operation, keep(sentTo), resumed);
    session = undefined;
    return 'uploaded';
  }

  async function progressOf(operation: Operation, former: UploadSession): Promise<UploadSession | undefined> {
    // Kept for the next try in case this one fails.
    session = former;
    const found = await sessions.progress(operation, former);
    session = undefined;
    return found !== undefined && found.offset <= content.descriptor.size ? found : undefined;
  }

  async function finish(operation: Operation, at: UploadSession, resumed: boolean): Promise<void> {
    const response = await access.send(operation, {
      method: 'PUT',
      address: withParameter(at.address, 'digest', digest),
      headers: { 'content-length': '0' },
    });
    if (response.status === 404 && (await blobs.hasBlob(digest))) {
      await discard(response);
      return;
    }
    if ([201, 204].includes(response.status)) {
      await discard(response);
      return;
    }
    const failure = await access.failure(operation, response);
    if (resumed && resumes && failure instanceof OciError) {
      resumes = false;
      throw new TransientFailure(`${operation.name}: the resumed upload is not the blob: ${failure.message}`);
    }
    throw failure;
  }

  async function abandon(name: string): Promise<void> {
    if (session === undefined) return;
    const operation = access.transport.begin(name);
    await sessions.cancel(operation, session.address).finally(() => operation.end());
  }

  return { run, abandon };
}
