/** Writes what is generated for the worker (`--check`: compares it with what is committed): protocol messages and the summing kernel. */
import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { main as compile } from 'assemblyscript/asc';

const root = path.resolve(import.meta.dirname, '..');
const wanted = new Map([
  ...protocols(),
  ['worker/communication/reduce/generated/tree-sum.ts', await kernel()] as const,
]);

if (process.argv.includes('--check')) {
  const stale = [...wanted].filter(([file, text]) => current(file) !== text).map(([file]) => file);
  if (stale.length > 0) {
    console.error(`not what their sources say: ${stale.join(', ')}; run \`npm run generate\` and commit them.`);
    process.exitCode = 1;
  }
} else {
  for (const [file, text] of wanted) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    if (current(file) !== text) writeFileSync(path.join(root, file), text);
  }
}

function current(file: string): string | undefined {
  try {
    return readFileSync(path.join(root, file), 'utf8');
  } catch {
    return undefined;
  }
}

/** Every folder's .proto files → `generated/` beside them. */
function protocols(): (readonly [string, string])[] {
  const folders = new Set(
    globSync('worker/**/*.proto', { cwd: root, exclude: ['**/node_modules/**'] }).map((file) => path.dirname(file)),
  );
  return [...folders].sort().flatMap((folder) => {
    const out = mkdtempSync(path.join(tmpdir(), 'hayate-generate-'));
    try {
      const bin = path.join(root, 'node_modules/.bin');
      execFileSync(path.join(bin, 'buf'), ['generate', folder, '--template', 'buf.gen.yaml', '--output', out], {
        cwd: root,
        env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      return globSync('**/*.ts', { cwd: out })
        .sort()
        .map((file) => [path.join(folder, 'generated', file), readFileSync(path.join(out, file), 'utf8')] as const);
    } finally {
      rmSync(out, { recursive: true });
    }
  });
}

/** The kernel as base64 in a module: a worker thread loads it without a path of its own. */
async function kernel(): Promise<string> {
  const source = readFileSync(path.join(root, 'worker/communication/reduce/tree-sum.as'), 'utf8');
  let binary: Uint8Array | undefined;
  const { error } = await compile(
    ['tree-sum.ts', '--outFile', 'tree-sum.wasm', '-O3', '--noAssert', '--runtime', 'stub', '--importMemory'].concat([
      '--sharedMemory',
      '--maximumMemory',
      '65536',
      '--enable',
      'simd,threads,bulk-memory',
    ]),
    {
      readFile: (name) => (name === 'tree-sum.ts' ? source : null),
      writeFile: (name, contents) => {
        if (name === 'tree-sum.wasm' && typeof contents !== 'string') binary = contents;
      },
      listFiles: () => [],
    },
  );
  if (error !== null || binary === undefined) throw new Error('tree-sum.as does not compile', { cause: error });
  const lines =
    Buffer.from(binary)
      .toString('base64')
      .match(/.{1,118}/g) ?? [];
  const text = lines.map((line) => `  '${line}'`).join(' +\n');
  return `// Generated from reduce/tree-sum.as by \`npm run generate\`. Do not edit.\nexport const treeSumWasm =\n${text};\n`;
}
