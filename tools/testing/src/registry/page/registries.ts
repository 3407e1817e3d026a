/** What is known of one registry. */
export interface KnownRegistry {
  readonly name: string;
  /** What to set, each a sentence in Markdown. */
  readonly set: readonly string[];
  /** What else to know, each a sentence in Markdown. */
  readonly known: readonly string[];
  /** Quirks that were reported of it, by name. */
  readonly quirks: readonly string[];
  /** What was run against the real program; undefined where it was only simulated. */
  readonly run?: string;
}

/** The registries that docs/registries.md speaks of, in its order. */
export const REGISTRIES: readonly KnownRegistry[] = [
  {
    name: 'Amazon ECR',
    set: [
      'Create the repository first; ECR creates none on its own unless a repository creation template says so.',
      '`aws ecr get-login-password | docker login --username AWS --password-stdin ACCOUNT.dkr.ecr.REGION.amazonaws.com` (the password lives 12 hours), or the helper `ecr-login` in `credHelpers`.',
      'The user needs what [pushing](https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html) needs and `ecr:GetDownloadUrlForLayer`, since every layer is read back.',
    ],
    known: [
      'With immutable tags `latest`, `1.2` and `1` can’t move: give `--tag-latest=never`, or exclude them from immutability.',
    ],
    quirks: [
      'gives no layer out before a manifest names it, as ECR does',
      'answers 403 for a layer that no manifest names',
      'says of every chunk that it has the first alone, and has them all, as ECR does',
      'makes no repositories by itself, as ECR does',
      'never moves a tag and refuses to make it again, as with immutable tags',
    ],
  },
  {
    name: 'Google Artifact Registry',
    set: [
      'Create the repository first: the image is `REGION-docker.pkg.dev/PROJECT/REPOSITORY/name`.',
      '`gcloud auth configure-docker REGION-docker.pkg.dev` (a helper), or `REGISTRY_USERNAME=oauth2accesstoken` with `gcloud auth print-access-token` as password.',
      'The user needs the role `roles/artifactregistry.writer`.',
    ],
    known: ['No reported difference is simulated for this registry alone.'],
    quirks: [],
  },
  {
    name: 'Azure Container Registry',
    set: [
      '`az acr login --name NAME`: it leaves an identity token in Docker’s configuration, which is traded for access tokens; or a token with the right to push as `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`.',
      'The user needs the role `AcrPush`.',
    ],
    known: [],
    quirks: ['gives its token as access_token, without a time'],
  },
  {
    name: 'GitHub Container Registry',
    set: [
      'In GitHub Actions: `permissions: packages: write`, `REGISTRY_USERNAME` from `github.actor` and `REGISTRY_PASSWORD` from `secrets.GITHUB_TOKEN`; elsewhere a classic token with `write:packages`.',
      'A new package is private until its settings say otherwise; the label `org.opencontainers.image.source` connects it with the repository.',
    ],
    known: [],
    quirks: [
      'takes chunks of at most 4 MiB and whole blobs of any size, as GHCR does',
      'limits how often it is asked, in µs as GHCR does',
      'redirects the referrers API to another site, as GHCR does',
    ],
  },
  {
    name: 'Docker Hub',
    set: ['`docker login` with an access token that may write. The image is `docker.io/OWNER/name`.'],
    known: [
      'Reading is limited, for anonymous readers by address; how much is [on its page](https://docs.docker.com/docker-hub/usage/pulls/). After a 429 a publish waits for as long as the answer asks, within the limits of every retry; a login raises the limit, and so does a mirror.',
    ],
    quirks: ['limits how often it is asked, by a time since 1970 as Docker Hub does'],
  },
  {
    name: 'Quay',
    set: ['A robot account with the right to write: `REGISTRY_USERNAME=owner+robot`, its token as password.'],
    known: ['A repository that the first push creates is private.'],
    quirks: [
      'asks for the right to pull alone before the first push makes the repository',
      'answers the referrers API with 400',
      'refuses artifact types that it does not know, as Quay did',
    ],
  },
  {
    name: 'Harbor',
    set: [
      "Create the project first; a robot account with the right to push: `REGISTRY_USERNAME='robot$project+name'`.",
    ],
    known: ['Rules for immutable tags and quotas belong to the project; the error quotes Harbor.'],
    quirks: [
      'refuses mounts with 400',
      'answers the referrers API with 401 and no challenge, as Harbor did',
      'answers the referrers API with 403',
      'has no room left, and says how much there is',
      'refuses the blob of an artifact',
    ],
  },
  {
    name: 'GitLab',
    set: [
      'In GitLab CI: `REGISTRY_USERNAME=$CI_REGISTRY_USER`, `REGISTRY_PASSWORD=$CI_REGISTRY_PASSWORD`; elsewhere a deploy token with `write_registry`.',
    ],
    known: [
      'Where it takes the tag `sha256-…` for the digest, what is attached is stored but not listed: `--require-sbom` can’t be met.',
    ],
    quirks: ['takes the tag sha256-… for the digest, as GitLab does'],
  },
  {
    name: 'Gitea and Forgejo',
    set: [
      'The user’s name, and an access token with `write:package` as password; the image is `host/OWNER/name`.',
    ],
    known: [],
    quirks: ['asks for the scope * as Gitea does'],
  },
  {
    name: 'Artifactory',
    set: [
      'An access token as password. The image is `host/KEY/name`, or `KEY.host/name` where each repository has a host.',
    ],
    known: [],
    quirks: [
      'loses its prefix in the link to the next page of tags, as Artifactory does',
      'answers 404 for a later page of tags',
      'answers the referrers API with 406, as Artifactory did',
    ],
  },
  {
    name: 'Nexus',
    set: [
      'A hosted Docker repository with a connector (a port of its own) or path-based routing, and the realm “Docker Bearer Token” for tokens.',
    ],
    known: [],
    quirks: [
      'names its inner path in the link to the next page, as Nexus does',
      'has null and no tags among the tags, as Nexus does',
    ],
  },
  {
    name: 'zot',
    set: ['A user of its `htpasswd` or LDAP, with the right `create` (and `update` for tags that move).'],
    known: [],
    quirks: ['names its token server by a path, as zot does'],
  },
  {
    name: 'distribution 2',
    set: ['Nothing; with `htpasswd` or a token server, `docker login`.'],
    known: [
      'Tags are put by name, and what is attached is listed by the tag `sha256-…`: it knows neither `OCI-Tag` nor the referrers API.',
      'Uploads that broke off halfway can’t be resumed or cancelled ([publishing](publishing.md#uploads-that-a-killed-run-left-open)).',
    ],
    quirks: [
      'names uploads by whole URLs',
      'loses the first upload that it opened',
      'stores a blob and answers 504 for it',
      'says 400 MANIFEST_BLOB_UNKNOWN for the blobs of a manifest at first',
      'refuses to give so many tags a page',
      'gives manifests as text/plain',
    ],
    run: 'Debian’s `docker-registry` (2.8): first publish, again, the next version, faults, kills, passwords, tokens, TLS',
  },
  {
    name: 'distribution 3',
    set: ['Nothing; with `htpasswd` or a token server, `docker login`.'],
    known: [
      'It tells the current URL of an upload when asked, so one that broke off is resumed or cancelled.',
    ],
    quirks: ['looks at the number of tags a page before it looks for the repository'],
  },
  {
    name: 'go-containerregistry',
    set: ['Nothing: `crane registry serve` is meant for tests, and asks nobody who they are.'],
    known: ['It has no way to cancel an upload, nor to say how far one is.'],
    quirks: ['lists referrers by the type of their configuration, as go-containerregistry does'],
    run: 'Debian’s sources (0.20) of what `crane registry serve` runs: first publish, again, the next version, attachments by the referrers API, read by skopeo',
  },
];
