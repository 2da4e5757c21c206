import path from 'node:path';
import type { Reference } from './resolution.ts';

/** What one file says that it needs. */
export interface References {
  modules: { reference: Reference; specifier: string }[];
  /** Paths of files that it may read or start, relative to its folder; some may not exist. */
  files: string[];
}

/** Only names and braces stand between `import` and `from`. */
const fromClause = /\b(?:import|export)\b([\w\s{},*$]*?)\bfrom\s*['"]([^'"\n]+)['"]/g;
const sideEffect = /(?:^|[;\n])\s*import\s*['"]([^'"\n]+)['"]/g;
const dynamic = /\bimport\(\s*['"]([^'"\n]+)['"]/g;
const resolved = /\bimport\.meta\.resolve\(\s*['"]([^'"\n]+)['"]/g;
const required = /\brequire(?:\.resolve)?\(\s*['"]([^'"\n]+)['"]/g;
const ownUrl = /\bnew URL\(\s*['"]([^'"\n]+)['"],\s*import\.meta\.url/g;
const ownFolder = /\bimport\.meta\.dirname,\s*['"]([^'"\n]+)['"]/g;
const data = /['"]([\w@.][\w@./-]*\.(?:wasm|proto|py|cc))['"]/g;

/** Reads a JavaScript or TypeScript file's references off its text. Type imports leave no trace at run time. */
export function referencesIn(file: string, text: string): References {
  if (!/\.[cm]?[jt]s$/.test(file)) return { modules: [], files: [] };
  const all = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, specifier]) => specifier as string);
  const clauses = [...text.matchAll(fromClause)].filter(([, names]) => !/^\s*type\s*[\w{*]/.test(names as string));
  const imported = [...clauses.map(([, , specifier]) => specifier as string), ...all(sideEffect), ...all(dynamic)];
  const modules = [
    ...[...imported, ...all(resolved)].map((specifier) => ({ reference: 'import' as const, specifier })),
    ...all(required).map((specifier) => ({ reference: 'require' as const, specifier })),
  ];
  const files = [...all(ownUrl), ...all(ownFolder), ...all(data)].map((name) => path.join(path.dirname(file), name));
  return { modules, files };
}
