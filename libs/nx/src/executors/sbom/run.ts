import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Enums, Models, Serialize, Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { PrebuiltError } from '../../errors.ts';
import { replaceFolder } from '../../files/output-folder.ts';
import type { SbomComponent, SbomPlan } from './plan.ts';

/** The files that this target writes. A folder that contains anything else is left alone. */
const OWN_FILES = /\.cdx\.json$/;

const { Library, Framework, File } = Enums.ComponentType;
const TYPES = { library: Library, framework: Framework, file: File } as const;

/** One for all, since each compiles the schema at its first use, which takes longer than all the rest. */
const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);

/**
 * The bill of materials as CycloneDX 1.6 JSON: the same plan always gives the same bytes. Throws `SBOM` if it does not
 * match the specification's schema. https://cyclonedx.org/docs/1.6/json/
 */
export async function formatSbom(plan: SbomPlan): Promise<string> {
  const bom = new Models.Bom({ serialNumber: plan.serialNumber });
  const program = componentOf(plan.program, 'program');
  program.type = Enums.ComponentType.Application;
  bom.metadata.component = program;
  bom.metadata.timestamp = new Date(plan.timestamp * 1000);
  for (const described of plan.components) {
    const component = componentOf(described, described.purl ?? described.name);
    bom.components.add(component);
    program.dependencies.add(component.bomRef);
  }
  const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));
  const text = serializer.serialize(bom, { sortLists: true, space: 2 });
  const problem = await validator.validate(text);
  if (problem !== null) {
    throw new PrebuiltError(
      'SBOM',
      `${plan.fileName}: is not CycloneDX 1.6: ${JSON.stringify(problem).slice(0, 500)}`,
    );
  }
  return `${text}\n`;
}

function componentOf(described: SbomComponent, bomRef: string): Models.Component {
  const component = new Models.Component(TYPES[described.type], described.name, {
    bomRef,
    ...(described.group === undefined ? {} : { group: described.group }),
    ...(described.version === undefined ? {} : { version: described.version }),
    ...(described.purl === undefined ? {} : { purl: described.purl }),
  });
  if (described.sha256 !== undefined) component.hashes.set(Enums.HashAlgorithm['SHA-256'], described.sha256);
  if (described.license !== undefined)
    component.licenses.add(new Models.LicenseExpression(described.license));
  for (const file of described.files) component.components.add(componentOf(file, `${bomRef}#${file.name}`));
  return component;
}

/** Writes all bills of materials into a new folder, then renames it into place. */
export function writeSboms(outputPath: string, plans: readonly SbomPlan[]): Promise<void> {
  return replaceFolder(outputPath, OWN_FILES, async (folder, signal) => {
    for (const plan of plans) {
      signal.throwIfAborted();
      await writeFile(join(folder, plan.fileName), await formatSbom(plan));
    }
  });
}

/** A version 8 UUID (built by this project's own rule) from the SHA-256 of a text. RFC 9562, section 5.8. */
export function uuidOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
