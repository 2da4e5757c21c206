import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

const documents = globSync('{*.md,docs/**/*.md}', { cwd: root });

/** Fenced blocks of a document by language. */
function blocks(text: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms');
  return [...text.matchAll(fence)].map(([, body]) => body ?? '');
}

describe('README', () => {
  it('shows the program and the manifest that the examples hold', () => {
    const [program] = blocks(read('README.md'), 'ts');
    const [manifest] = blocks(read('README.md'), 'yaml');
    assert.ok(program !== undefined && manifest !== undefined);
    assert.ok(read('crds/examples/own-program.ts').includes(program), 'crds/examples/own-program.ts reads otherwise');
    assert.ok(
      read('crds/examples/own-program.yaml').includes(manifest),
      'crds/examples/own-program.yaml reads otherwise',
    );
  });

  it('names npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = documents.flatMap((file) => [...read(file).matchAll(/npm run ([a-z:]+)/g)].map(([, name]) => name));
    assert.ok(named.length > 3);
    assert.deepEqual(
      named.filter((name) => name !== undefined && scripts[name] === undefined),
      [],
    );
  });

  it('and the other documents link to files that exist', () => {
    const links = documents.flatMap((file) =>
      [...read(file).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, to]) => path.join(path.dirname(file), to ?? '')),
    );
    assert.ok(links.length > 20);
    assert.deepEqual(
      links.filter((file) => !existsSync(path.join(root, file))),
      [],
    );
  });
});
