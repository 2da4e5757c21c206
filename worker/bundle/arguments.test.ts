import assert from 'node:assert/strict';
import { parseRequest } from './arguments.ts';

describe('parseRequest', () => {
  const parse = (line: string) => parseRequest(line.split(' '), '/here');

  it('reads what is wanted', () => {
    assert.deepEqual(parse('gpu --arch sm_90,sm_80 --cuda host --pieces 57MiB --out there'), {
      device: 'gpu',
      architectures: [90, 80],
      cuda: 'host',
      pieceBytes: 57 * 2 ** 20,
      out: '/here/there',
    });
  });

  it('packs everything into one file where nothing is said', () => {
    const { architectures, cuda, pieceBytes, out } = parse('gpu');
    assert.deepEqual([architectures, cuda, pieceBytes, out], [[], 'include', undefined, '/here/.hayate/bundle-gpu']);
  });

  it('refuses what makes no sense', () => {
    const wrong = [
      'tpu',
      'cpu gpu',
      'cpu --arch sm_90',
      'gpu --arch 90',
      'gpu --arch sm_90,',
      'gpu --cuda maybe',
      'gpu --pieces 57MB',
      'gpu --pieces 1KiB',
    ];
    for (const line of wrong) assert.throws(() => parse(line), RangeError, line);
  });
});
