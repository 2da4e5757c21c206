import assert from 'node:assert/strict';
import { refuseMissingGpus } from './gpus.ts';
import { readManifests } from './manifest.ts';
import { CommandProblem } from './problem.ts';

const job = (name: string, replicas: number, resourceName: string) => `apiVersion: hayate.dev/v1alpha1
kind: TrainingJob
metadata: { name: ${name} }
spec:
  workers: { replicas: ${replicas}, resourceName: '${resourceName}' }
  training: { program: { builtin: mnist }, globalBatchSize: 64, steps: 10 }
`;

/** The sentence with which jobs are refused on a machine with `gpus`; undefined where they are not. */
function refusal(gpus: readonly string[], ...texts: string[]): string | undefined {
  const files = texts.map((text, i) => ({ path: `${i}.yaml`, text }));
  const { jobs, problems } = readManifests(files, () => true);
  assert.deepEqual(problems, []);
  try {
    refuseMissingGpus(jobs, gpus);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof CommandProblem);
    assert.equal(error.exitCode, 1);
    return error.message;
  }
}

describe('refuseMissingGpus', () => {
  it('lets jobs be that ask for no GPU, or for no more than there are', () => {
    assert.equal(refusal([], job('a', 4, '')), undefined);
    assert.equal(refusal(['x', 'y'], job('a', 2, 'nvidia.com/gpu'), job('b', 1, 'nvidia.com/gpu')), undefined);
  });

  it('says how many are missing, and what to do', () => {
    assert.equal(
      refusal(['x'], job('a', 4, 'nvidia.com/gpu')),
      "0.yaml: a needs 4 nvidia.com/gpu, one for each worker; this machine has 1: 3 missing; set workers.replicas to 1, or set workers.resourceName to '' to compute on the CPU (npm run native -- doctor says what was found)",
    );
  });

  it('names every job for which there are not enough, and knows no other resource than NVIDIA GPUs', () => {
    const told = refusal(['x'], job('a', 2, 'nvidia.com/gpu'), job('b', 1, 'amd.com/gpu'), job('c', 1, ''));
    assert.match(
      told ?? '',
      /^0\.yaml: a needs 2 .* 1 missing;.*\n1\.yaml: b needs 1 amd\.com\/gpu, for its worker; .*none: 1 missing; set workers\.resourceName/,
    );
    assert.doesNotMatch(told ?? '', /: c needs/);
  });
});
