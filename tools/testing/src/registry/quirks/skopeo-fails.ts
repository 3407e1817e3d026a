/**
 * The quirks that Debian's skopeo 1.9.3 can't copy an image to, by name, as libs/oci/e2e/skopeo.e2e.ts sees it.
 */
export const SKOPEO_FAILS: ReadonlySet<string> = new Set([]);
