import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { BundleError } from './bundle-error.ts';
import { referencesIn } from './references.ts';
import type { Resolve } from './resolution.ts';

/**
 * All files below `root` that the entries load or read, by what their text says, with the package.json files that say
 * how; sorted, relative to `root`. A package's reference that leads nowhere is a choice that it has at run time; one of
 * ours is an error.
 */
export function loadedFiles(root: string, entries: readonly string[], resolve: Resolve): string[] {
  const found = new Set<string>();
  const problems: string[] = [];
  const waiting = entries.map((entry) => path.join(root, entry));
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (found.has(file)) continue;
    if (!file.startsWith(`${root}/`)) {
      problems.push(`${file} is needed and lies outside of ${root}.`);
      continue;
    }
    found.add(file);
    const { modules, files } = referencesIn(file, readFileSync(file, 'utf8'));
    waiting.push(...files.filter(isFile), ...packageFiles(root, file));
    for (const { reference, specifier } of modules) {
      const target = resolve(reference, specifier, file);
      if (target !== undefined && target !== 'builtin' && isFile(target)) waiting.push(target);
      else if (target !== 'builtin' && !file.includes('/node_modules/')) {
        problems.push(`${path.relative(root, file)} needs ${specifier}, which is not here; run npm install.`);
      }
    }
  }
  if (problems.length > 0) throw new BundleError(problems);
  return [...found].map((file) => path.relative(root, file)).sort();
}

function packageFiles(root: string, file: string): string[] {
  const found: string[] = [];
  for (let folder = path.dirname(file); folder.startsWith(root); folder = path.dirname(folder)) {
    const description = path.join(folder, 'package.json');
    if (existsSync(description)) found.push(description);
    if (path.basename(path.dirname(folder)) === 'node_modules') break;
  }
  return found;
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}
