/** One registry on the page. */
export interface KnownRegistry {
  readonly name: string;
  /** What to set, each a sentence in Markdown. */
  readonly set: readonly string[];
  /** Other facts, each a sentence in Markdown. */
  readonly known: readonly string[];
  /** Names of the quirks that were reported for it. */
  readonly quirks: readonly string[];
  /** What was run against the real program; undefined if it was only simulated. */
  readonly run?: string;
}

/** The registries in docs/registries.md, in its order. */
export const REGISTRIES: readonly KnownRegistry[] = [
  {
    name: 'Amazon ECR',
    set: [
      'Create the repository first; ECR creates none by itself, unless a repository creation template says so.',
      'Log in with `aws ecr get-login-password | docker login --username AWS --password-stdin ACCOUNT.dkr.ecr.REGION.amazonaws.com` (the password is valid for 12 hours), or set the helper `ecr-login` in `credHelpers`.',
      'The user needs the permissions for [pushing](https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html), and `ecr:GetDownloadUrlForLayer`, since every layer is read back.',
    ],
    known: [
      'If tags are immutable, `latest`, `1.2` and `1` can’t move: use `--tag-latest=never`, or exclude these tags from immutability.',
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
      'Run `gcloud auth configure-docker REGION-docker.pkg.dev`, which sets up a helper, or set `REGISTRY_USERNAME=oauth2accesstoken` with the output of `gcloud auth print-access-token` as the password.',
      'The user needs the role `roles/artifactregistry.writer`.',
    ],
    known: ['No behavior is simulated specifically for this registry.'],
    quirks: [],
  },
  {
    name: 'Azure Container Registry',
    set: [
      'Run `az acr login --name NAME`, which saves an identity token in Docker’s configuration that is exchanged for access tokens, or set a token with the right to push as `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`.',
      'The user needs the role `AcrPush`.',
    ],
    known: [],
    quirks: ['gives its token as access_token, without a time'],
  },
  {
    name: 'GitHub Container Registry',
    set: [
      'In GitHub Actions, set `permissions: packages: write`, `REGISTRY_USERNAME` from `github.actor` and `REGISTRY_PASSWORD` from `secrets.GITHUB_TOKEN`. Elsewhere, use a classic token with `write:packages`.',
      'A new package is private until you change its settings. The label `org.opencontainers.image.source` connects it to the repository.',
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
    set: ['Run `docker login` with an access token that may write. The image is `docker.io/OWNER/name`.'],
    known: [
      'Reading is limited, for anonymous readers by address; [its page](https://docs.docker.com/docker-hub/usage/pulls/) has the limits. After a 429, a publish waits for as long as the answer asks, within the limits of every retry. A login raises the limit, and a mirror avoids it.',
    ],
    quirks: ['limits how often it is asked, by a time since 1970 as Docker Hub does'],
  },
  {
    name: 'Quay',
    set: [
      'Use a robot account with the right to write: `REGISTRY_USERNAME=owner+robot`, with its token as the password.',
    ],
    known: ['If the first push creates the repository, it is private.'],
    quirks: [
      'asks for the right to pull alone before the first push makes the repository',
      'answers the referrers API with 400',
      'refuses artifact types that it does not know, as Quay did',
    ],
  },
  {
    name: 'Harbor',
    set: [
      "Create the project first. Use a robot account with the right to push: `REGISTRY_USERNAME='robot$project+name'`.",
    ],
    known: ['Rules for immutable tags and quotas are set in the project; the error quotes Harbor.'],
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
      'In GitLab CI, set `REGISTRY_USERNAME=$CI_REGISTRY_USER` and `REGISTRY_PASSWORD=$CI_REGISTRY_PASSWORD`. Elsewhere, use a deploy token with `write_registry`.',
    ],
    known: [
      'If it mistakes the tag `sha256-…` for the digest, attachments are stored but not listed, and `--require-sbom` fails.',
    ],
    quirks: ['takes the tag sha256-… for the digest, as GitLab does'],
  },
  {
    name: 'Gitea and Forgejo',
    set: [
      'Use the user’s name, and an access token with `write:package` as the password. The image is `host/OWNER/name`.',
    ],
    known: [],
    quirks: ['asks for the scope * as Gitea does'],
  },
  {
    name: 'Artifactory',
    set: [
      'Use an access token as the password. The image is `host/KEY/name`, or `KEY.host/name` if each repository has its own host.',
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
      'Set up a hosted Docker repository with a connector (its own port) or path-based routing, and the realm “Docker Bearer Token” for tokens.',
    ],
    known: [],
    quirks: [
      'names its inner path in the link to the next page, as Nexus does',
      'has null and no tags among the tags, as Nexus does',
    ],
  },
  {
    name: 'zot',
    set: ['Use a user from its `htpasswd` or LDAP with the right `create` (and `update` for moving tags).'],
    known: [],
    quirks: ['names its token server by a path, as zot does'],
  },
  {
    name: 'distribution 2',
    set: ['Nothing, or `docker login` if it uses `htpasswd` or a token server.'],
    known: [
      'It knows neither `OCI-Tag` nor the referrers API, so tags are put by name, and the tag `sha256-…` lists the attachments.',
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
    set: ['Nothing, or `docker login` if it uses `htpasswd` or a token server.'],
    known: [
      'It returns the current URL of an upload when asked, so an upload that broke off is resumed or cancelled.',
    ],
    quirks: ['looks at the number of tags a page before it looks for the repository'],
  },
  {
    name: 'go-containerregistry',
    set: ['Nothing: `crane registry serve` is meant for tests, and has no authentication.'],
    known: ['It can’t cancel an upload, or say how far one has got.'],
    quirks: ['lists referrers by the type of their configuration, as go-containerregistry does'],
    run: 'Debian’s sources (0.20) of what `crane registry serve` runs: first publish, again, the next version, attachments by the referrers API, read by skopeo',
  },
];
