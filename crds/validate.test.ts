import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { bad, good } from './corpus.ts';
import { validateTrainingJob } from './validate.ts';

const problemsOf = (manifest: unknown): { field: string; message: string }[] => {
  const result = validateTrainingJob(manifest);
  return result.ok ? [] : result.problems;
};

describe('validateTrainingJob', () => {
  for (const { what, manifest } of good) {
    it(`accepts ${what}`, () => assert.deepEqual(problemsOf(manifest), []));
  }

  for (const { what, manifest, field } of bad) {
    it(`refuses ${what} and names ${field}`, () => {
      const problems = problemsOf(manifest);
      assert.deepEqual(
        problems.map((problem) => problem.field),
        [field],
      );
      assert.match(problems[0]?.message ?? '', /^\S.*[.?]$/);
      assert.ok(problems[0]?.message.includes(field ?? ''), problems[0]?.message);
    });
  }

  it('fills in the defaults', () => {
    const result = validateTrainingJob(good[0]?.manifest);
    assert.ok(result.ok);
    assert.equal(result.job.spec.communication.port, 29_600);
    assert.equal(result.job.spec.training.precision, 'Float32');
    assert.equal(result.job.spec.failurePolicy.backoff.maxSeconds, 300);
    assert.deepEqual(result.job.spec.workers.template, {});
  });

  it('names all problems at once, those over several fields too', () => {
    const spec = {
      workers: { replicas: 3, replica: 4 },
      training: { program: {}, globalBatchSize: 256, steps: -1, precision: 'TF32' },
      communication: { order: 'Random' },
    };
    const fields = problemsOf({ apiVersion: 'hayate.dev/v1', kind: 'TrainingJob', metadata: { name: 'J' }, spec }).map(
      (p) => p.field,
    );
    assert.deepEqual(fields.toSorted(), [
      'apiVersion',
      'metadata.name',
      'spec.communication.order',
      'spec.training.globalBatchSize',
      'spec.training.precision',
      'spec.training.program',
      'spec.training.steps',
      'spec.workers.replica',
    ]);
  });

  it('says what is allowed, in a sentence', () => {
    const message = (field: string): string | undefined =>
      problemsOf(bad.find((b) => b.field === field)?.manifest)[0]?.message;
    assert.equal(
      message('spec.workers.replicas'),
      'spec.workers.replicas is 0; it must be a whole number from 1 to 1024.',
    );
    assert.equal(
      message('spec.communication.order'),
      'spec.communication.order is "priority"; it must be one of "Priority", "Fifo".',
    );
    assert.equal(
      problemsOf(bad.find(({ what }) => what === 'TF32 without a GPU')?.manifest)[0]?.message,
      'spec.training.precision: TF32 is computed by GPUs only; set workers.resourceName, for example to nvidia.com/gpu, or training.precision to Float32.',
    );
    assert.equal(message('metadata.label'), 'metadata.label is not a field that exists; did you mean labels?');
    assert.equal(message('spec.workers'), 'spec.workers is missing; it must be an object with replicas.');
  });

  for (const raw of [null, 5, 'text', [], undefined]) {
    it(`refuses ${JSON.stringify(raw)} instead of an object`, () => {
      assert.match(problemsOf(raw)[0]?.message ?? '', /^The manifest is .*; it must be an object/);
    });
  }

  it('is not fooled by a field called __proto__', () => {
    const manifest = JSON.parse(
      JSON.stringify(good[0]?.manifest).replace('"spec":{', '"spec":{"__proto__":{"a":1},'),
    ) as unknown;
    assert.deepEqual(
      problemsOf(manifest).map((p) => p.field),
      ['spec.__proto__'],
    );
  });
});

describe('examples', () => {
  const folder = new URL('examples/', import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.yaml'));

  it('exist', () => assert.ok(files.length >= 2));

  for (const file of files) {
    it(`${file} is valid`, () => assert.deepEqual(problemsOf(parse(readFileSync(new URL(file, folder), 'utf8'))), []));
  }
});

describe('trainingjob.yaml', () => {
  it('is what the schema says', async () => {
    const { trainingJobDefinition } = await import('./crd.ts');
    const text = readFileSync(new URL('trainingjob.yaml', import.meta.url), 'utf8');
    assert.deepEqual(parse(text), trainingJobDefinition());
  });
});
