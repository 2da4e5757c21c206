import { existsSync, lstatSync, mkdirSync, readdirSync, realpathSync, rmSync, statSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { cudaLibraryFolder } from './cuda.ts';
import { neededCuda } from './cuda-verdict.ts';
import { StagingError } from './staging-error.ts';

/**
 * Makes links in the cache `root` to all NVIDIA libraries below `folders`, under their own names, and to the needed ones that
 * exist in another major only under the names that TensorFlow asks for: most of them have the functions that it calls
 * there too. Libraries that lie there stay. Returns the needed ones that were linked, and those that were not
 * found.
 */
export function linkHostCuda(folders: readonly string[], root: string) {
  if (lstatSync(path.join(root, 'nvidia'), { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    throw new StagingError([
      `CUDA's libraries are staged in ${root} already; remove ${root}/nvidia to use the host's.`,
    ]);
  }
  const target = cudaLibraryFolder(root);
  mkdirSync(target, { recursive: true });
  const found = new Map<string, string>();
  for (const file of folders.flatMap((folder) => librariesBelow(folder, deepest))) {
    const name = path.basename(file);
    if (!found.has(name)) found.set(name, file);
  }
  for (const [name, file] of found) place(file, path.join(target, name));
  const linked: [string, string][] = [];
  const missing: string[] = [];
  for (const soname of neededCuda) {
    const own = path.join(target, soname);
    const stem = soname.slice(0, soname.lastIndexOf('.') + 1);
    const others = [...found].filter(([name]) => name.startsWith(stem) && /^\d+$/.test(name.slice(stem.length)));
    const newest = others.sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
    if (newest !== undefined) place(newest[1], own);
    if (existsSync(own)) linked.push([soname, realpathSync(own)]);
    else missing.push(soname);
  }
  return { linked, missing };
}

const library = /^lib[\w-]+\.so(\.\d+)*$/;

/** Folders in folders; links may lead in circles. */
const deepest = 8;

/** Links count as what they point at; folders that cannot be read count as empty. */
function librariesBelow(folder: string, depth: number): string[] {
  if (depth === 0) return [];
  try {
    return readdirSync(folder).flatMap((name) => {
      const file = path.join(folder, name);
      const found = statSync(file, { throwIfNoEntry: false });
      if (found?.isDirectory() === true) return librariesBelow(file, depth - 1);
      return found?.isFile() === true && library.test(name) ? [file] : [];
    });
  } catch {
    return [];
  }
}

function place(file: string, link: string): void {
  if (existsSync(link)) return;
  rmSync(link, { force: true }); // one that points at nothing
  symlinkSync(realpathSync(file), link);
}
