import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { ageSince, ageText } from './ages.ts';

const s = 1000;
const m = 60 * s;
const h = 60 * m;
const d = 24 * h;
const y = 365 * d;

describe('ageText', () => {
  const table: [number, string][] = [
    [-5 * s, '<invalid>'],
    [-1 * s, '0s'],
    [0, '0s'],
    [900, '0s'],
    [119 * s, '119s'],
    [2 * m, '2m'],
    [3 * m + 5 * s, '3m5s'],
    [10 * m - 1, '9m59s'],
    [10 * m, '10m'],
    [3 * h - 1, '179m'],
    [3 * h, '3h'],
    [7 * h + 5 * m, '7h5m'],
    [8 * h, '8h'],
    [48 * h - 1, '47h'],
    [48 * h, '2d'],
    [3 * d + 4 * h, '3d4h'],
    [8 * d, '8d'],
    [2 * y - 1, '729d'],
    [2 * y, '2y'],
    [3 * y + 10 * d, '3y10d'],
    [9 * y, '9y'],
  ];
  for (const [span, text] of table) it(`shows ${span} ms as ${text}`, () => assert.equal(ageText(span), text));

  it('always says less than the span, by less than its smaller unit', () => {
    const units: Record<string, number> = { s, m, h, d, y };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20 * y }), (span) => {
        const parts = [...ageText(span).matchAll(/(\d+)([smhdy])/g)].map(([, n, unit]) => Number(n) * units[unit!]!);
        const total = parts.reduce((a, b) => a + b, 0);
        assert.ok(total <= span && span - total < y, `${ageText(span)} for ${span}`);
      }),
    );
  });
});

describe('ageSince', () => {
  it('reads times with and without fractions', () => {
    const now = new Date('2026-01-31T12:00:10Z');
    assert.equal(ageSince('2026-01-31T12:00:00Z', now), '10s');
    assert.equal(ageSince('2026-01-31T12:00:00.500000Z', now), '9s');
  });

  it('does not know the age of what has no time', () => {
    for (const time of [undefined, null, '', 'yesterday']) assert.equal(ageSince(time, new Date(0)), '<unknown>');
  });
});
