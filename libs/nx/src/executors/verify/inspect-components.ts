import { ElfError, readGoBuildInfo, withFileSource } from '@prebuilt/elf';
import type { Finding } from '../../artifacts/verify-report.ts';
import { goComponents, stdlibPurl } from '../../toolchains/components/go-modules.ts';
import { failure } from './inspect-files.ts';
import type { PlatformVerification, VerifyPlan } from './plan.ts';

/** The prefix of Go modules in a list of package URLs. */
const GOLANG = 'pkg:golang/';

/**
 * Compares the build information that Go embeds in executables, its version and every module, with what the manifest
 * lists for the platform: no more and no less. Only looks at builds that claim to be made with Go.
 */
export async function inspectComponents(
  { toolchain }: VerifyPlan,
  { artifact, executables, purls }: PlatformVerification,
): Promise<readonly Finding[]> {
  const listed = purls.filter((purl) => purl.startsWith(GOLANG));
  if (toolchain.name !== 'go' && listed.length === 0) return [];
  const embedded = new Set<string>();
  const findings: Finding[] = [];
  for (const { executable, artifact: each } of executables) {
    try {
      const info = await withFileSource(executable, readGoBuildInfo);
      if (info !== null) for (const { purl } of goComponents(info)) embedded.add(purl);
      if (info === null && toolchain.name === 'go') {
        findings.push(
          failure('OTHER_THAN_MANIFEST', `${each.path}: expected Go build information, found none`),
        );
      }
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      findings.push(failure(error.code, error.message));
    }
  }
  const compiler = stdlibPurl(toolchain.version);
  if (toolchain.name === 'go' && findings.length === 0 && !embedded.has(compiler)) {
    const found = [...embedded].find((purl) => purl.startsWith(`${GOLANG}stdlib@`));
    findings.push(
      failure('OTHER_THAN_MANIFEST', `${artifact.path}: compiler: expected ${compiler}, found ${found}`),
    );
  }
  const missing = listed.filter((purl) => !embedded.has(purl));
  const extra = [...embedded].filter((purl) => !listed.includes(purl));
  if (missing.length + extra.length > 0 && findings.length === 0) {
    const show = (all: readonly string[]): string => all.slice(0, 5).join(', ') || 'no others';
    findings.push(
      failure(
        'OTHER_THAN_MANIFEST',
        `${artifact.path}: modules: expected ${show(missing)}, found ${show(extra)}`,
      ),
    );
  }
  return findings;
}
