import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const LIBRARIES = 8;
const FUNCTIONS = 100;

/**
 * Writes a cargo workspace into a folder: a binary, `tool`, that uses eight crates, each with a hundred functions that
 * keep a compiler busy. It needs no other crate, and is linked statically, so that neither side collects libraries.
 */
export async function writeRustSources(root: string, triple: string): Promise<void> {
  const names = Array.from({ length: LIBRARIES }, (_, index) => `part${index}`);
  const files: Record<string, string> = {
    'Cargo.toml': `[workspace]\nmembers = ["tool", "part*"]\nresolver = "2"\n`,
    '.cargo/config.toml': `[target.${triple}]\nrustflags = ["-Ctarget-feature=+crt-static"]\n`,
    'tool/Cargo.toml': `${manifest('tool')}\n[dependencies]\n${names.map((name) => `${name} = { path = "../${name}" }\n`).join('')}`,
    'tool/src/main.rs': mainSource(names),
  };
  for (const name of names) {
    files[`${name}/Cargo.toml`] = manifest(name);
    files[`${name}/src/lib.rs`] = functions();
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

function manifest(name: string): string {
  return `[package]\nname = "${name}"\nversion = "0.1.0"\nedition = "2021"\n`;
}

function functions(): string {
  const bodies = Array.from(
    { length: FUNCTIONS },
    (_, index) => `
pub fn count_${index}(text: &str) -> String {
    let mut seen = std::collections::BTreeMap::<String, Vec<usize>>::new();
    for (place, word) in text.split_whitespace().enumerate() {
        seen.entry(word.to_string()).or_default().push(place * ${index + 1});
    }
    seen.into_iter().map(|(word, places)| format!("{word}{places:?}")).collect::<Vec<_>>().join(",")
}
`,
  );
  const calls = Array.from({ length: FUNCTIONS }, (_, index) => `count_${index}(text).len()`);
  return `${bodies.join('')}\npub fn all(text: &str) -> usize {\n    ${calls.join(' + ')}\n}\n`;
}

function mainSource(names: readonly string[]): string {
  const calls = names.map((name) => `${name}::all(&text)`).join(' + ');
  return `${functions()}
fn main() {
    let text = std::env::args().collect::<Vec<_>>().join(" ");
    println!("{} {}", env!("RELEASE_VERSION"), ${calls} + all(&text));
}
`;
}
