/** What is known about one registry. */
export interface KnownRegistry {
  readonly name: string;
  /** What to set up, as Markdown sentences. */
  readonly set: readonly string[];
  /** What else to know, as Markdown sentences. */
  readonly known: readonly string[];
  /** Names of quirks that were reported for it. */
  readonly quirks: readonly string[];
  /** What was tested against the real program; undefined if it was only simulated. */
  readonly run?: string;
}

/** The registries in docs/registries.md, in order. */
export const REGISTRIES: readonly KnownRegistry[] = [
  {
    name: 'Amazon ECR',
    set: [
      'Create the repository first; ECR does not create repositories on push, unless a repository creation template applies.',
      '`aws ecr get-login-password | docker login --username AWS --password-stdin ACCOUNT.dkr.ecr.REGION.amazonaws.com` (the password is valid for 12 hours), or the helper `ecr-login` in `credHelpers`.',
      'The user needs the permissions for [pushing](https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html) and `ecr:GetDownloadUrlForLayer`, since every layer is read back.',
    ],
    known: [
      'With immutable tags, `latest`, `1.2` and `1` can’t move: pass `--tag-latest=never`, or exclude these tags from immutability.',
    ],
    quirks: [
      'serves no layer before a manifest references it, as ECR does',
      'answers 403 for a layer that no manifest references',
      'reports only the first chunk as received, but stores them all, as ECR does',
      'does not create repositories on push, like ECR',
      'refuses to move a tag or to push it again, as with immutable tags',
    ],
  },
  {
    name: 'Google Artifact Registry',
    set: [
      'Create the repository first: the image is `REGION-docker.pkg.dev/PROJECT/REPOSITORY/name`.',
      '`gcloud auth configure-docker REGION-docker.pkg.dev` (a helper), or `REGISTRY_USERNAME=oauth2accesstoken` with `gcloud auth print-access-token` as password.',
      'The user needs the role `roles/artifactregistry.writer`.',
    ],
    known: ['No reported behavior is simulated for this registry specifically.'],
    quirks: [],
  },
  {
    name: 'Azure Container Registry',
    set: [
      '`az acr login --name NAME`, which puts an identity token in Docker’s configuration, to be exchanged for access tokens; or a token with push permission as `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`.',
      'The user needs the role `AcrPush`.',
    ],
    known: [],
    quirks: ['returns its token as access_token, without a lifetime'],
  },
  {
    name: 'GitHub Container Registry',
    set: [
      'In GitHub Actions: `permissions: packages: write`, `REGISTRY_USERNAME` from `github.actor` and `REGISTRY_PASSWORD` from `secrets.GITHUB_TOKEN`; elsewhere a classic token with `write:packages`.',
      'A new package is private until you change its settings; the label `org.opencontainers.image.source` links it to the repository.',
    ],
    known: [],
    quirks: [
      'accepts chunks of at most 4 MiB, but whole blobs of any size, as GHCR does',
      'rate-limits requests with a Retry-After in µs, as GHCR does',
      'redirects the referrers API to another site, as GHCR does',
    ],
  },
  {
    name: 'Docker Hub',
    set: ['`docker login` with an access token with write permission. The image is `docker.io/OWNER/name`.'],
    known: [
      'Pulls are limited, for anonymous users per address; see [its page](https://docs.docker.com/docker-hub/usage/pulls/) for the limits. After a 429, a publish waits as long as the answer says, within the usual limits for retries. A login or a mirror raises the limit.',
    ],
    quirks: ['rate-limits requests with a Retry-After as a Unix time, as Docker Hub does'],
  },
  {
    name: 'Quay',
    set: ['A robot account that may write: `REGISTRY_USERNAME=owner+robot`, with its token as the password.'],
    known: ['A repository that is created by the first push is private.'],
    quirks: [
      'asks only for pull permission before the first push creates the repository',
      'answers the referrers API with 400',
      'refuses artifact types that it does not know, as Quay did',
    ],
  },
  {
    name: 'Harbor',
    set: [
      "Create the project first; use a robot account with push permission: `REGISTRY_USERNAME='robot$project+name'`.",
    ],
    known: ['Rules for immutable tags and quotas are set per project; the error quotes Harbor.'],
    quirks: [
      'refuses mounts with 400',
      'answers the referrers API with 401 and no challenge, as Harbor did',
      'answers the referrers API with 403',
      'is over its quota, and reports how much is left',
      'refuses the blob of an artifact',
    ],
  },
  {
    name: 'GitLab',
    set: [
      'In GitLab CI: `REGISTRY_USERNAME=$CI_REGISTRY_USER`, `REGISTRY_PASSWORD=$CI_REGISTRY_PASSWORD`; elsewhere a deploy token with `write_registry`.',
    ],
    known: [
      'Since it treats the tag `sha256-…` as the digest, attachments are stored but not listed: `--require-sbom` can’t be satisfied.',
    ],
    quirks: ['treats the tag sha256-… as the digest, as GitLab does'],
  },
  {
    name: 'Gitea and Forgejo',
    set: [
      'Your user name, and an access token with `write:package` as the password; the image is `host/OWNER/name`.',
    ],
    known: [],
    quirks: ['asks for the scope *, as Gitea does'],
  },
  {
    name: 'Artifactory',
    set: [
      'An access token as the password. The image is `host/KEY/name`, or `KEY.host/name` if each repository has its own host.',
    ],
    known: [],
    quirks: [
      'omits its prefix in the link to the next page of tags, as Artifactory does',
      'answers 404 for a later page of tags',
      'answers the referrers API with 406, as Artifactory did',
    ],
  },
  {
    name: 'Nexus',
    set: [
      'A hosted Docker repository with a connector (its own port) or path-based routing, and the realm “Docker Bearer Token” for tokens.',
    ],
    known: [],
    quirks: [
      'gives its internal path in the link to the next page, as Nexus does',
      'lists null and invalid names among the tags, as Nexus does',
    ],
  },
  {
    name: 'zot',
    set: ['A user of its `htpasswd` or LDAP with permission to `create` (and `update` for tags that move).'],
    known: [],
    quirks: ['gives its token server as a path, as zot does'],
  },
  {
    name: 'distribution 2',
    set: ['Nothing; with `htpasswd` or a token server, `docker login`.'],
    known: [
      'Tags are pushed by name, and attachments are listed under the tag `sha256-…`: it supports neither `OCI-Tag` nor the referrers API.',
      'Interrupted uploads can’t be resumed or canceled ([publishing](publishing.md#uploads-that-a-killed-run-left-open)).',
    ],
    quirks: [
      'gives the location of uploads as absolute URLs',
      'loses the first upload',
      'stores a blob but answers 504',
      'answers 400 MANIFEST_BLOB_UNKNOWN for a manifest at first',
      'refuses to list that many tags per page',
      'serves manifests as text/plain',
    ],
    run: 'Debian’s `docker-registry` (2.8): first publish, again, the next version, faults, kills, passwords, tokens, TLS',
  },
  {
    name: 'distribution 3',
    set: ['Nothing; with `htpasswd` or a token server, `docker login`.'],
    known: [
      'It returns the current URL of an upload on request, so interrupted uploads can be resumed or canceled.',
    ],
    quirks: ['checks the number of tags per page before it looks for the repository'],
  },
  {
    name: 'go-containerregistry',
    set: ['Nothing: `crane registry serve` is meant for tests, and has no authentication.'],
    known: ['It can neither cancel an upload nor report its progress.'],
    quirks: ['lists referrers with the type of their config, as go-containerregistry does'],
    run: 'Debian’s sources (0.20) of `crane registry serve`: first publish, again, the next version, attachments by the referrers API, read by skopeo',
  },
];
