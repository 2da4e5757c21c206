import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');

interface Source {
  file: string;
  text: string;
  /** Imported files (relative to the root) and packages, type imports included. */
  imports: string[];
}

const specifier = /^(?:import|export)\s(?:[^;'"]*?\sfrom\s+)?['"]([^'"]+)['"];/gm;

function read(file: string): Source {
  const text = readFileSync(path.join(root, file), 'utf8');
  const imports = [...text.matchAll(specifier)].map(([, name]) => resolve(file, name ?? ''));
  return { file, text, imports };
}

function resolve(from: string, name: string): string {
  if (name.startsWith('.')) return path.posix.normalize(path.posix.join(path.posix.dirname(from), name));
  const workspace = /^@hayate\/(crds|operator|worker|local)(?:\/(.*))?$/.exec(name);
  if (workspace === null) return name;
  const folder = workspace[1] === 'local' ? 'deploy/local' : (workspace[1] ?? '');
  return `${folder}/${workspace[2] ?? 'package.json'}`;
}

const sources = globSync('{crds,operator,worker,deploy}/**/*.ts', { cwd: root })
  .filter((file) => !file.includes('node_modules') && !file.endsWith('.test.ts'))
  .map(read);

const offenders = (where: (source: Source) => boolean, forbidden: (target: string, source: Source) => boolean) =>
  sources
    .filter(where)
    .flatMap((source) => source.imports.filter((i) => forbidden(i, source)).map((i) => `${source.file} → ${i}`));

/** Files that decide and never act: arguments in, values out. */
const pure = [
  /^crds\/(trainingjob|worker-config|exit-codes|structural|crd|validate|prune|definition|object-meta)\.ts$/,
  /^operator\/trainingjob\/(plan|restart|conditions)\.ts$/,
  /^operator\/trainingjob\/desired\//,
  /^worker\/graph\/(graph|format|layout|manner|sheet)\.ts$/,
  /^worker\/memory\/(event|lifetimes|order|plan|actions|buffers|intervals|explain|planned-reuse|measured-reuse|simulate|fetches|stays|late-frees|transfers|step-events|workspaces)\.ts$/,
  /^worker\/communication\/schedule\//,
  /^worker\/communication\/collective\//,
  /^worker\/communication\/transport\/frame\.ts$/,
  /^worker\/checkpoint\/(format|state)\.ts$/,
  /^worker\/membership\/(quorum|message)\.ts$/,
];
const isPure = (file: string) => pure.some((pattern) => pattern.test(file)) && !file.includes('contract');

describe('imports go one way', () => {
  it('reads a tree of sources', () => {
    assert.ok(sources.length > 80, `only ${sources.length} sources found`);
    for (const pattern of pure)
      assert.ok(
        sources.some((s) => pattern.test(s.file)),
        `no file matches ${pattern}`,
      );
  });

  it('lets the contract import nothing of the halves', () => {
    const found = offenders(
      (s) => s.file.startsWith('crds/') && !s.file.startsWith('crds/examples/'),
      (target) => /^(operator|worker|deploy)\//.test(target),
    );
    assert.deepEqual(found, []);
  });

  it('keeps operator and worker apart', () => {
    assert.deepEqual(
      offenders(
        (s) => s.file.startsWith('operator/'),
        (t) => /^(worker|deploy)\//.test(t),
      ),
      [],
    );
    assert.deepEqual(
      offenders(
        (s) => s.file.startsWith('worker/'),
        (t) => /^(operator|deploy)\//.test(t),
      ),
      [],
    );
  });

  it('keeps operator/kube ignorant of training', () => {
    assert.deepEqual(
      offenders(
        (s) => s.file.startsWith('operator/kube/'),
        (t) => /^(crds|operator\/(?!kube\/))/.test(t),
      ),
      [],
    );
  });

  it('lets only kube/client.ts speak to a Kubernetes client library', () => {
    assert.deepEqual(
      offenders(
        (s) => s.file !== 'operator/kube/client.ts',
        (t) => t === 'undici' || t.startsWith('@kubernetes/'),
      ),
      [],
    );
  });

  it('lets only transport/grpc.ts and the control service speak gRPC', () => {
    assert.deepEqual(
      offenders(
        (s) => s.file !== 'worker/communication/transport/grpc.ts' && !s.file.startsWith('worker/membership/'),
        (t) => t === '@grpc/grpc-js',
      ),
      [],
    );
  });

  it('lets only the engine import TensorFlow.js', () => {
    assert.deepEqual(
      offenders(
        (s) => !s.file.startsWith('worker/engine/'),
        (t) => t.startsWith('@tensorflow/'),
      ),
      [],
    );
  });

  it('lets pure files import pure files only', () => {
    const allowed = new Set(['zod', 'node:crypto', 'node:zlib']);
    const found = offenders(
      (s) => isPure(s.file),
      (t, s) => !isPure(t) && !allowed.has(t) && !onlyTypes(s.text, t),
    );
    assert.deepEqual(found, []);
  });

  it('lets pure files read no clock, randomness or environment', () => {
    const found = sources
      .filter((s) => isPure(s.file) && /Date\.now\(|new Date\(\)|Math\.random\(|process\.(env|argv|pid)/.test(s.text))
      .map((s) => s.file);
    assert.deepEqual(found, []);
  });
});

/** True when every import of `target` in `text` is a type import, which leaves no trace at run time. */
function onlyTypes(text: string, target: string): boolean {
  const base = path.posix.basename(target);
  const lines = text.match(/(?:^|\n)(?:import|export)\b[^;]*?;/g) ?? [];
  const mentioning = lines.filter((line) => line.includes(base));
  return mentioning.length > 0 && mentioning.every((line) => /^\s*(import|export) type\b/.test(line));
}
