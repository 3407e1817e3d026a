import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The standard library packages of a mid-size service, each with a symbol to use so that the package is linked. */
const USED: Readonly<Record<string, string>> = {
  'archive/tar': 'tar.NewReader',
  'archive/zip': 'zip.NewReader',
  'crypto/x509': 'x509.ParseCertificate',
  'database/sql': 'sql.Open',
  'encoding/gob': 'gob.NewDecoder',
  'encoding/json': 'json.Marshal',
  'encoding/xml': 'xml.Marshal',
  'go/format': 'format.Source',
  'go/parser': 'parser.ParseFile',
  'html/template': 'template.New',
  'image/jpeg': 'jpeg.Decode',
  'image/png': 'png.Decode',
  'math/big': 'big.NewInt',
  'net/http': 'http.ListenAndServe',
  'net/http/httputil': 'httputil.NewSingleHostReverseProxy',
  'net/rpc': 'rpc.NewServer',
  'net/smtp': 'smtp.SendMail',
  regexp: 'regexp.Compile',
};
const FUNCTIONS = 100;

/** Writes a Go module into a folder: a program with a hundred functions that uses only the standard library. */
export async function writeGoSources(root: string): Promise<void> {
  const functions = Array.from(
    { length: FUNCTIONS },
    (_, index) => `
func count${index}(text string) string {
	seen := map[string][]int{}
	for place, word := range strings.Fields(text) {
		seen[word] = append(seen[word], place*${index + 1})
	}
	return fmt.Sprint(seen)
}
`,
  );
  const calls = Array.from({ length: FUNCTIONS }, (_, index) => `count${index}(text)`);
  const source = `package main

import (
	"fmt"
	"os"
	"strings"
${Object.keys(USED)
  .map((path) => `\t"${path}"\n`)
  .join('')})

var version = "dev"

var used = []any{${Object.values(USED).join(', ')}}
${functions.join('')}
func main() {
	text := strings.Join(os.Args, " ")
	fmt.Println(version, len(used), ${calls.join(', ')})
}
`;
  await mkdir(root, { recursive: true });
  await writeFile(join(root, 'go.mod'), 'module example.com/service\n\ngo 1.19\n');
  await writeFile(join(root, 'main.go'), source);
}
