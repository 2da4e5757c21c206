import { existsSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import type { CachePaths } from '../engine/native/cache.ts';
import type { BundleRequest } from './arguments.ts';
import type { BundlePlan } from './plan.ts';
import { runShell } from './shell.ts';

/** Programs that make a bundle, and the Debian packages that bring them. */
const tools: Readonly<Record<string, string>> = {
  tar: 'tar',
  xz: 'xz-utils',
  strip: 'binutils',
  readelf: 'binutils',
};

/** One sentence for each thing that a bundle needs and this machine lacks. */
export async function missingForBundle(request: BundleRequest, paths: CachePaths): Promise<string[]> {
  const problems: string[] = [];
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    problems.push(`Bundles are made on linux-x64, this machine is ${process.platform}-${process.arch}.`);
  }
  for (const [tool, debianPackage] of Object.entries(tools)) {
    const found = await runShell('command -v "$1" || true', [tool]);
    if (found === '') problems.push(`${tool} is missing; install it (Debian: ${debianPackage}).`);
  }
  if (!existsSync(paths.library) || !existsSync(paths.addon)) {
    problems.push(`The native engine is not staged; run npm run native -- ${request.device}.`);
  }
  const { out } = request;
  const isBundle = existsSync(path.join(out, 'unpack.sh'));
  if (existsSync(out) && !isBundle && (!statSync(out).isDirectory() || readdirSync(out).length > 0)) {
    problems.push(`${out} has other files in it; give the name of a new folder with --out.`);
  }
  return problems;
}

/** Sentences for sources that are not there, and for too little disk beside the result. */
export function missingForPlan({ binaries }: BundlePlan, request: BundleRequest): string[] {
  const missing = binaries.filter(({ source }) => !existsSync(source));
  if (missing.length > 0) {
    const names = missing.map(({ source }) => path.basename(source)).join(', ');
    return [`${names}: not staged; run npm run native -- ${request.device}.`];
  }
  const sizes = binaries.map(({ source }) => statSync(source).size);
  const needed = Math.max(...sizes) + sizes.reduce((sum, size) => sum + size, 0) / 2;
  let at = request.out;
  while (!existsSync(at)) at = path.dirname(at);
  const { bavail, bsize } = statfsSync(at);
  const free = bavail * bsize;
  if (free >= needed) return [];
  const [need, have] = [needed, free].map((bytes) => (bytes / 1e9).toFixed(1));
  return [`The bundle needs ${need} GB of disk and ${have} GB are free; make room or give another --out.`];
}

/** The addon, and what benchmarks of this device compare with: files of the cache, relative to its root. */
export function cacheFilesOf({ root, addonFolder, device }: CachePaths): string[] {
  const compared = new RegExp(`^stock-tfjs-[\\d.]+-${device}$`);
  const folders = [path.basename(addonFolder), ...readdirSync(root).filter((name) => compared.test(name))];
  return folders.flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !/\.(map|md|d\.ts|h|cc)$/.test(entry.name))
      .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name))),
  );
}

/** Names and folders of the checkout's workspace packages. */
export function workspacePackages(root: string): [string, string][] {
  const read = (folder: string) => JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8'));
  return (read('.').workspaces as string[]).map((folder) => [read(folder).name as string, folder]);
}

/** The newest glibc that one of the files asks for. */
export async function neededGlibc(files: readonly string[]): Promise<string> {
  const printed = await runShell('readelf -W -V "$@" 2>/dev/null | grep -o "GLIBC_2[.0-9]*" | sort -u', files);
  const minors = [...printed.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
  return `2.${Math.max(0, ...minors)}`;
}
