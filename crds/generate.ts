import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { trainingJobDefinition } from './crd.ts';

const file = fileURLToPath(new URL('trainingjob.yaml', import.meta.url));
const header = '# Generated from crds/trainingjob.ts by `npm run generate`. Do not edit.\n';
const wanted = header + stringify(trainingJobDefinition(), { lineWidth: 0, aliasDuplicateObjects: false });

if (process.argv.includes('--check')) {
  if (current() !== wanted) {
    console.error('crds/trainingjob.yaml is not what crds/trainingjob.ts says; run `npm run generate` and commit it.');
    process.exitCode = 1;
  }
} else {
  writeFileSync(file, wanted);
}

function current(): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
