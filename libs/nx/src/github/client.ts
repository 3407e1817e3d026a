import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { Octokit } from '@octokit/core';
import { RequestError } from '@octokit/request-error';
import { cleanText } from '@prebuilt/oci';
import * as v from 'valibot';
import { PrebuiltError } from '../errors.ts';
import { type WaitClock, withRetries } from './retry.ts';

// Text from a response is sanitized for printing here, once; text quoted in errors is sanitized in `fail`.
const printed = v.pipe(v.string(), v.transform(cleanText));

const releaseAsset = v.object({
  id: v.number(),
  name: printed,
  state: v.string(),
  size: v.number(),
  digest: v.nullish(v.string()),
});

const release = v.object({
  id: v.number(),
  tag_name: v.string(),
  name: v.nullish(v.string()),
  body: v.nullish(v.string()),
  draft: v.boolean(),
  prerelease: v.boolean(),
  html_url: printed,
  upload_url: v.string(),
  assets: v.array(releaseAsset),
});

/** An asset as the API reports it. `sha256` is undefined if the API gives no digest. Sizes are bytes. */
export interface RemoteAsset {
  readonly id: number;
  readonly name: string;
  /** `uploaded`, or `starter` for an upload that was cut off. */
  readonly state: string;
  readonly size: number;
  readonly sha256: string | undefined;
}

/** A release as the API reports it, with all its assets. */
export interface RemoteRelease {
  readonly id: number;
  readonly tag: string;
  readonly name: string;
  readonly body: string;
  readonly draft: boolean;
  readonly prerelease: boolean;
  readonly pageUrl: string;
  readonly uploadUrl: string;
  readonly assets: readonly RemoteAsset[];
}

/**
 * The content to create a release with or to change it to. Its tag must already be on GitHub: `target_commitish`, which
 * would create it, is never sent, because GitHub then requires the permission to change workflows, which GITHUB_TOKEN
 * can't have.
 * https://docs.github.com/rest/releases/releases#create-a-release
 */
export interface ReleaseContent {
  readonly tag: string;
  readonly name: string;
  readonly body: string;
  readonly prerelease: boolean;
}

/** Where the API is, and who calls it. */
export interface ClientOptions {
  readonly baseUrl: string;
  /** `owner/name`. */
  readonly repository: string;
  readonly token: string | undefined;
  readonly clock: WaitClock;
  readonly signal: AbortSignal;
  /** Called with a line about each retry. */
  readonly told: (line: string) => void;
}

const API_VERSION = '2022-11-28';
const REQUEST_MS = 60_000;
const TRANSFER_MS = 15 * 60_000;
const MAX_PAGES = 100;

/** The part of GitHub's REST API that releases need. https://docs.github.com/rest/releases */
export type GitHubClient = ReturnType<typeof createGitHubClient>;

/**
 * A client for one repository's releases. Reads are retried if that may help. A creation is not simply sent again: only
 * a look at what is there can tell whether it already happened. Errors are `GITHUB`, without the token.
 */
export function createGitHubClient(options: ClientOptions) {
  const [owner = '', repo = ''] = options.repository.split('/');
  const octokit = new Octokit({
    baseUrl: options.baseUrl.replace(/\/$/, ''),
    ...(options.token === undefined ? {} : { auth: options.token }),
    userAgent: 'prebuilt-nx',
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  });
  const request = (route: string, parameters: Readonly<Record<string, unknown>>, ms = REQUEST_MS) =>
    octokit.request(route, {
      owner,
      repo,
      ...parameters,
      headers: { 'x-github-api-version': API_VERSION, ...(parameters.headers as object | undefined) },
      request: {
        signal: AbortSignal.any([options.signal, AbortSignal.timeout(ms)]),
        ...(parameters.request as object | undefined),
      },
    });
  const retried = <T>(operation: string, attempt: () => Promise<T>): Promise<T> =>
    withRetries(attempt, options.clock, (reason, delayMs) =>
      options.told(`${cleanText(`${operation}: ${reason}`)}; retrying in ${(delayMs / 1000).toFixed(1)} s`),
    ).catch((error: unknown) => fail(operation, error, options));

  async function pages<T>(
    route: string,
    parameters: object,
    parse: (data: unknown) => T,
  ): Promise<readonly T[]> {
    const found: T[] = [];
    for (let page = 1; page <= MAX_PAGES; page++) {
      const { data } = await request(route, { ...parameters, per_page: 100, page });
      const items = v.parse(v.array(v.unknown()), data);
      found.push(...items.map(parse));
      if (items.length < 100) return found;
    }
    throw new PrebuiltError('GITHUB', `${route}: expected at most ${MAX_PAGES} pages, found more`);
  }

  const parseRelease = async (data: unknown): Promise<RemoteRelease> => {
    const parsed = v.parse(release, data);
    const assets = await pages('GET /repos/{owner}/{repo}/releases/{id}/assets', { id: parsed.id }, (each) =>
      remoteAsset(v.parse(releaseAsset, each)),
    );
    return remoteRelease(parsed, assets);
  };

  async function* bytesOf(asset: RemoteAsset): AsyncGenerator<Uint8Array> {
    const { data } = await request(
      'GET /repos/{owner}/{repo}/releases/assets/{id}',
      {
        id: asset.id,
        headers: { accept: 'application/octet-stream' },
        request: { parseSuccessResponseBody: false },
      },
      TRANSFER_MS,
    );
    let received = 0;
    for await (const chunk of data as unknown as AsyncIterable<Uint8Array>) {
      received += chunk.byteLength;
      if (received > asset.size) break;
      yield chunk;
    }
    if (received === asset.size) return;
    throw new PrebuiltError(
      'GITHUB',
      `${asset.name}: expected ${asset.size} bytes from GitHub, found ${received > asset.size ? 'more' : received}`,
    );
  }

  return {
    /** All releases, including drafts if the token may write, each with the first page of its assets. */
    async listReleases(): Promise<readonly RemoteRelease[]> {
      return retried('list the releases', () =>
        pages('GET /repos/{owner}/{repo}/releases', {}, (data): RemoteRelease => {
          const parsed = v.parse(release, data);
          return remoteRelease(parsed, parsed.assets.map(remoteAsset));
        }),
      );
    },
    /** A release with all its assets. */
    readRelease: (id: number): Promise<RemoteRelease> =>
      retried(`read the release ${id}`, async () => {
        const { data } = await request('GET /repos/{owner}/{repo}/releases/{id}', { id });
        return parseRelease(data);
      }),
    /** The commit that a tag on GitHub points to; undefined if the tag does not exist. */
    commitOfTag: (tag: string): Promise<string | undefined> =>
      retried(`read the tag ${tag}`, async () => {
        try {
          const { data } = await request('GET /repos/{owner}/{repo}/commits/{+ref}', {
            ref: `tags/${encodeURIComponent(tag)}`,
            headers: { accept: 'application/vnd.github.sha' },
          });
          return v.parse(v.pipe(v.string(), v.regex(/^[0-9a-f]{40,64}$/)), String(data).trim());
        } catch (error) {
          if (error instanceof RequestError && (error.status === 404 || error.status === 422))
            return undefined;
          throw error;
        }
      }),
    /** The tag of the release that GitHub shows as the latest; undefined if there is none. */
    latestTag: (): Promise<string | undefined> =>
      retried('read the latest release', async () => {
        try {
          const { data } = await request('GET /repos/{owner}/{repo}/releases/latest', {});
          return v.parse(release, data).tag_name;
        } catch (error) {
          if (error instanceof RequestError && error.status === 404) return undefined;
          throw error;
        }
      }),
    /**
     * Creates a draft. A retry first looks for the draft of the failed try, since GitHub accepts any number of drafts
     * for one tag.
     */
    createDraft: (content: ReleaseContent): Promise<RemoteRelease> => {
      let tried = false;
      return retried(`create the draft of ${content.tag}`, async () => {
        if (tried) {
          const listed = await pages('GET /repos/{owner}/{repo}/releases', {}, (data) =>
            v.parse(release, data),
          );
          const made = listed.find((each) => each.draft && each.tag_name === content.tag);
          if (made !== undefined) return parseRelease(made);
        }
        tried = true;
        const { data } = await request('POST /repos/{owner}/{repo}/releases', {
          tag_name: content.tag,
          name: content.name,
          body: content.body,
          prerelease: content.prerelease,
          draft: true,
        });
        return parseRelease(data);
      });
    },
    /** Changes a release. Idempotent. */
    updateRelease: (
      id: number,
      content: ReleaseContent,
      publish?: { readonly makeLatest: boolean },
    ): Promise<RemoteRelease> =>
      retried(`${publish === undefined ? 'update' : 'publish'} the release of ${content.tag}`, async () => {
        const { data } = await request('PATCH /repos/{owner}/{repo}/releases/{id}', {
          id,
          tag_name: content.tag,
          name: content.name,
          body: content.body,
          prerelease: content.prerelease,
          ...(publish === undefined
            ? { draft: true }
            : { draft: false, make_latest: publish.makeLatest ? 'true' : 'false' }),
        });
        return parseRelease(data);
      }),
    deleteAsset: (asset: Pick<RemoteAsset, 'id' | 'name'>): Promise<void> =>
      retried(`delete the incomplete upload of ${asset.name}`, async () => {
        try {
          await request('DELETE /repos/{owner}/{repo}/releases/assets/{id}', { id: asset.id });
        } catch (error) {
          if (!(error instanceof RequestError && error.status === 404)) throw error;
        }
      }),
    /** Uploads once, without retrying; returns what GitHub stored. Throws octokit's own error. */
    async uploadAsset(target: RemoteRelease, asset: { readonly name: string; readonly path: string }) {
      const url = uploadAddress(target.uploadUrl, options.baseUrl);
      const { data } = await request(
        `POST ${url}{?name}`,
        {
          name: asset.name,
          data: await openAsBlob(asset.path),
          headers: { 'content-type': 'application/octet-stream' },
        },
        TRANSFER_MS,
      );
      return remoteAsset(v.parse(releaseAsset, data));
    },
    /** Runs an operation that is safe to repeat, with the client's retries. */
    retried,
    /** The SHA-256 of an asset's bytes as GitHub serves them. Throws if there are not exactly `size` bytes. */
    hashAsset: (asset: RemoteAsset): Promise<string> =>
      retried(`download ${asset.name}`, async () => {
        const hash = createHash('sha256');
        for await (const chunk of bytesOf(asset)) hash.update(chunk);
        return hash.digest('hex');
      }),
    /** The text of an asset, for small ones. Throws if there are not exactly `size` bytes. */
    readAsset: (asset: RemoteAsset): Promise<string> =>
      retried(`download ${asset.name}`, async () => {
        const chunks: Uint8Array[] = [];
        for await (const chunk of bytesOf(asset)) chunks.push(chunk);
        return Buffer.concat(chunks).toString('utf8');
      }),
  };
}

/**
 * The upload URL that the API gives, without its template. The token is sent there, so the URL is refused unless it is
 * on the API's own host or its sibling `uploads.…`, with the API's own protocol (HTTPS, or plain HTTP if the API uses
 * it).
 */
export function uploadAddress(uploadUrl: string, baseUrl: string): string {
  const address = uploadUrl.replace(/\{.*$/, '');
  const api = new URL(baseUrl);
  const upload = URL.canParse(address) ? new URL(address) : undefined;
  const sibling = api.hostname.startsWith('api.')
    ? `uploads.${api.hostname.slice('api.'.length)}`
    : undefined;
  const trusted = upload !== undefined && (upload.hostname === api.hostname || upload.hostname === sibling);
  if (upload === undefined || !trusted || upload.protocol !== api.protocol) {
    throw new PrebuiltError(
      'GITHUB',
      `upload_url: expected ${api.protocol}//${sibling ?? api.hostname}, found ${upload?.origin ?? 'no address'}: the token is not sent there`,
    );
  }
  return address;
}

function remoteRelease(
  parsed: v.InferOutput<typeof release>,
  assets: RemoteRelease['assets'],
): RemoteRelease {
  return {
    id: parsed.id,
    tag: parsed.tag_name,
    name: parsed.name ?? '',
    body: parsed.body ?? '',
    draft: parsed.draft,
    prerelease: parsed.prerelease,
    pageUrl: parsed.html_url,
    uploadUrl: parsed.upload_url,
    assets,
  };
}

function remoteAsset(asset: v.InferOutput<typeof releaseAsset>): RemoteAsset {
  const [, sha256] = /^sha256:([0-9a-f]{64})$/.exec(asset.digest ?? '') ?? [];
  return { id: asset.id, name: asset.name, state: asset.state, size: asset.size, sha256 };
}

function fail(operation: string, error: unknown, options: ClientOptions): never {
  if (error instanceof PrebuiltError) throw error;
  options.signal.throwIfAborted();
  if (error instanceof v.ValiError) {
    throw new PrebuiltError('GITHUB', cleanText(`${operation}: unexpected response: ${error.message}`));
  }
  if (!(error instanceof RequestError)) throw error;
  const status = error.response === undefined ? 'no response' : `HTTP ${error.status}`;
  const message = redact(error.message, options.token);
  throw new PrebuiltError(
    'GITHUB',
    cleanText(`${operation} (${options.repository}): ${status}: ${message}`),
    hintOf(error),
  );
}

function hintOf(error: RequestError): { readonly hint?: string } {
  const reset = Number(error.response?.headers['x-ratelimit-reset']);
  if (String(error.response?.headers['x-ratelimit-remaining']) === '0' && Number.isFinite(reset)) {
    return { hint: `The rate limit resets at ${new Date(reset * 1000).toISOString()}; run it again then.` };
  }
  if (error.status === 401) return { hint: 'GITHUB_TOKEN was rejected: it may have expired.' };
  if (error.status === 403 || error.status === 404) {
    return { hint: 'GITHUB_TOKEN needs "contents: write" for this repository.' };
  }
  return { hint: 'Run it again: what is already there is kept.' };
}

function redact(text: string, token: string | undefined): string {
  return token === undefined || token === '' ? text : text.replaceAll(token, '***');
}
