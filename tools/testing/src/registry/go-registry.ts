import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

/** The registry of go-containerregistry (`crane registry serve`), running on a free loopback port. */
export interface GoRegistry {
  readonly host: string;
  /** `METHOD /path` of every request so far. */
  requests(): readonly string[];
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;
const IMPORT_PATH = 'github.com/google/go-containerregistry';
const PROGRAM = `package main

import (
	"log"
	"net"
	"net/http"
	"os"

	"${IMPORT_PATH}/pkg/registry"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	log.SetFlags(0)
	log.Printf("on %s", listener.Addr())
	blobs := registry.NewDiskBlobHandler(os.Args[1])
	log.Fatal(http.Serve(listener, registry.New(registry.WithReferrersSupport(true), registry.WithBlobHandler(blobs))))
}
`;

/**
 * The GOPATH with Debian's `golang-github-google-go-containerregistry-dev`: where it is installed, or where
 * `npm run engine -- up --with-readers` unpacked it. Undefined if there is neither, or no `go`.
 */
export async function findGoRegistry(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string | undefined> {
  const go = await execa('go', ['version'], { reject: false });
  if (go.failed) return undefined;
  const home = environment.PREBUILT_ENGINE_HOME || '/var/lib/prebuilt-engine';
  for (const path of ['/usr/share/gocode', join(home, 'packages/usr/share/gocode')]) {
    const isThere = await access(join(path, 'src', IMPORT_PATH, 'pkg/registry')).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}

/** Compiles the registry from the sources in a GOPATH and starts it. `folder` is an existing folder for its files. */
export async function startGoRegistry(sources: string, folder: string): Promise<GoRegistry> {
  const program = join(folder, 'registry');
  const data = join(folder, 'blobs');
  await mkdir(data);
  await writeFile(join(folder, 'main.go'), PROGRAM);
  await execa('go', ['build', '-o', program, 'main.go'], {
    cwd: folder,
    env: { GOPATH: sources, GO111MODULE: 'off', GOFLAGS: '', CGO_ENABLED: '0' },
  });
  const child = execa(program, [data], { stdin: 'ignore', stdout: 'ignore', reject: false, buffer: false });
  // Each line begins with a time.
  const lines: string[] = [];
  const started = Promise.withResolvers<string>();
  const late = setTimeout(() => started.reject(new Error(`${program} is not listening`)), START_TIMEOUT_MS);
  const reading = (async () => {
    for await (const line of child.iterable({ from: 'stderr' })) {
      const host = /^on (\S+)$/.exec(line)?.[1];
      if (host === undefined) lines.push(line);
      else started.resolve(host);
    }
    started.reject(new Error(`${program}: ${lines.join('\n')}`));
  })();
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await child;
    await reading;
  };
  try {
    const host = await started.promise;
    const requests = (): readonly string[] =>
      lines.flatMap((line) => {
        const [, method, path] = /\b([A-Z]+) (\/[^ ?]*)/.exec(line) ?? [];
        return path === undefined ? [] : [`${method} ${path}`];
      });
    return { host, requests, stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(late);
  }
}
