import assert from 'node:assert/strict';
import { good } from '@hayate/crds/corpus.ts';
import { trainingJobDefinition } from '@hayate/crds/crd.ts';
import { validateTrainingJob } from '@hayate/crds/validate.ts';
import * as fc from 'fast-check';
import { applyDefaults } from './defaults.ts';
import { prune } from './prune.ts';
import { validate } from './validate.ts';

const schema = trainingJobDefinition().spec.versions[0]!.schema.openAPIV3Schema;

type Path = (string | number)[];

/** Every place in a JSON value, the root left out. */
function places(value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const path = [...at, Array.isArray(value) ? Number(key) : key];
    return [path, ...places(inner, path)];
  });
}

function replaced(value: unknown, [key, ...rest]: Path, change: (before: unknown) => unknown): unknown {
  if (key === undefined) return change(value);
  if (Array.isArray(value)) return value.map((item, index) => (index === key ? replaced(item, rest, change) : item));
  const fields = value as Record<string, unknown>;
  return { ...fields, [key]: replaced(fields[key], rest, change) };
}

const manifest = fc.constantFrom(...good.map((sample) => sample.manifest));

const oddValue = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    [],
    {},
    '',
    'x',
    '4',
    'mnist',
    'Fifo',
    'All',
    'HAYATE_A',
    '2026-01-31T12:00:00Z',
  ),
  fc.constantFrom<unknown>(
    0,
    -1,
    0.5,
    1,
    2,
    3,
    64,
    1024,
    1025,
    29_600,
    65_001,
    2_147_483_647,
    2_147_483_648,
    1e300,
    -0,
  ),
  fc.integer({ min: -10, max: 5000 }),
  fc.string({ maxLength: 70 }),
  fc.constant({ unknown: 1 }),
);

/** One change anywhere: another value, or a field more. */
const mutated = fc
  .tuple(manifest, fc.nat(), oddValue, fc.boolean(), fc.constantFrom('x', 'name', 'env', 'steps', 'spec'))
  .map(([base, place, value, adds, name]) => {
    const all = places(base).filter((path) => path[0] !== 'apiVersion' && path[0] !== 'kind');
    const path = all[place % all.length]!;
    return replaced(base, path, (before) =>
      adds && typeof before === 'object' && before !== null && !Array.isArray(before)
        ? { ...before, [name]: value }
        : value,
    );
  });

describe('the manifest check and the embedded server', () => {
  it('agree on any single change of a good manifest', () => {
    fc.assert(
      fc.property(mutated, (changed) => {
        const { value, unknown } = prune(schema, changed);
        const causes = validate(schema, applyDefaults(schema, value));
        const checked = validateTrainingJob(changed);
        const problems = checked.ok ? [] : checked.problems;
        const refused = unknown.length + causes.length > 0;
        assert.equal(refused, problems.length > 0, JSON.stringify({ changed, unknown, causes, problems }));
      }),
      { numRuns: 3000 },
    );
  });
});
