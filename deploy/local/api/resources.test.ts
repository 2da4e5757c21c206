import assert from 'node:assert/strict';
import { trainingJobDefinition } from '@hayate/crds/crd.ts';
import { apiVersionOf, resourceTypes } from './resources.ts';

describe('resourceTypes', () => {
  const definition = trainingJobDefinition();
  const types = resourceTypes([definition]);

  it('takes all it needs of a custom resource from its definition', () => {
    const job = types.find((type) => type.plural === 'trainingjobs')!;
    assert.equal(apiVersionOf(job), 'hayate.dev/v1alpha1');
    assert.deepEqual(
      [job.kind, job.listKind, job.singular, job.shortNames, job.categories],
      ['TrainingJob', 'TrainingJobList', 'trainingjob', ['tj'], ['all']],
    );
    assert.deepEqual([job.namespaced, job.status], [true, true]);
    assert.equal(job.scale?.specReplicasPath, '.spec.workers.replicas');
    assert.equal(job.schema, definition.spec.versions[0]?.schema.openAPIV3Schema);
  });

  it('has no two types of one address or one name', () => {
    for (const names of [
      types.map((t) => `${apiVersionOf(t)}/${t.plural}`),
      types.flatMap((t) => [t.plural, t.singular, ...t.shortNames]),
    ]) {
      assert.equal(new Set(names).size, names.length);
    }
  });

  it('leaves out versions that are not served, and gives an age to a resource without columns', () => {
    const [version] = definition.spec.versions;
    const { additionalPrinterColumns: _columns, subresources: _subresources, ...bare } = version!;
    const versions = [
      { ...bare, name: 'v1', selectableFields: [{ jsonPath: '.spec.colour' }] },
      { ...bare, name: 'v0', served: false },
    ];
    const own = resourceTypes([{ ...definition, spec: { ...definition.spec, scope: 'Cluster', versions } }]).filter(
      (t) => t.group === 'hayate.dev',
    );
    assert.deepEqual(
      own.map((t) => t.version),
      ['v1'],
    );
    assert.deepEqual(
      own[0]?.printerColumns?.map((c) => c.name),
      ['Age'],
    );
    assert.deepEqual([own[0]?.status, own[0]?.scale, own[0]?.namespaced], [false, undefined, false]);
    assert.deepEqual(own[0]?.selectableFields, ['spec.colour']);
  });
});
