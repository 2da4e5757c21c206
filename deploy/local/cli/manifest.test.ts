import assert from 'node:assert/strict';
import { problemLine, readManifests } from './manifest.ts';

const good = (name: string, program = 'builtin: mnist') => `apiVersion: hayate.dev/v1alpha1
kind: TrainingJob
metadata:
  name: ${name}
spec:
  workers:
    replicas: 4
  training:
    program:
      ${program}
    globalBatchSize: 256
    steps: 10
`;
const everythingExists = (_path: string) => true;
const read = (text: string, exists = everythingExists) => readManifests([{ path: 'jobs/job.yaml', text }], exists);
const lines = (text: string, exists = everythingExists) => read(text, exists).problems.map(problemLine);

describe('readManifests', () => {
  it('reads several jobs of one file', () => {
    const { jobs, problems } = read(`${good('a')}---\n${good('b')}`);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      jobs.map((job) => `${job.namespace}/${job.name}`),
      ['default/a', 'default/b'],
    );
  });

  it('makes the path of a module absolute from the manifest and says when it is not there', () => {
    const text = good('a', 'module: ./train.ts');
    const asked: string[] = [];
    const module = read(text, (path) => asked.push(path) > 0).jobs[0]?.object.spec.training.program.module;
    assert.equal(module, `${process.cwd()}/jobs/train.ts`);
    assert.deepEqual(asked, [module]);
    assert.deepEqual(
      lines(text, () => false),
      [
        `jobs/job.yaml:10: spec.training.program.module: ${module} does not exist; a relative path counts from the manifest`,
      ],
    );
  });

  it('names every problem of every document with its line and field', () => {
    const bad = good('a').replace('replicas: 4', 'replicas: 0').replace('steps: 10', 'steps: -1\n    stepz: 3');
    const found = lines(`${bad}---\n${good('b').replace('256', '255')}`);
    assert.equal(found.length, 4, found.join('\n'));
    for (const start of [
      'jobs/job.yaml:7: spec.workers.replicas is 0',
      'jobs/job.yaml:12: spec.training.steps is -1',
      'jobs/job.yaml:13: spec.training.stepz is not a field',
      'jobs/job.yaml:25: spec.training.globalBatchSize: ',
    ]) {
      assert.ok(
        found.some((line) => line.startsWith(start)),
        `${start} in ${found.join('\n')}`,
      );
    }
  });

  it('names the line of a missing field by what should hold it', () => {
    assert.match(
      lines(good('a').replace('    replicas: 4\n', '    resourceName: x\n')).join('\n'),
      /:7: spec\.workers\.replicas is missing/,
    );
  });

  it('gives the line of a syntax error', () => {
    assert.match(lines('a: [1\nb: 2\n').join('\n'), /^jobs\/job\.yaml:\d: \S/);
  });

  it('refuses other kinds, files without a job and two jobs of one name', () => {
    assert.match(lines('kind: Deployment\n')[0] ?? '', /^jobs\/job\.yaml:1: kind: is Deployment, but only TrainingJob/);
    assert.deepEqual(lines('# nothing\n'), ['jobs/job.yaml: holds no TrainingJob']);
    assert.match(lines(`${good('a')}---\n${good('a')}`)[0] ?? '', /:17: metadata\.name: the name "a" is already used/);
  });
});
