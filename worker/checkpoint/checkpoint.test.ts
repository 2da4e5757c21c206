import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import { digestState } from './digest.ts';
import { disk, type Storage, StorageError } from './directory.ts';
import { encodeCheckpoint } from './format.ts';
import { checkState, maxBytes, readNewest } from './read.ts';
import type { TrainingState } from './state.ts';
import { writeCheckpoint } from './write.ts';

const state = (step: number, seed = 1): TrainingState => ({
  step,
  tensors: [
    { name: 'conv/kernel', shape: [3, 5], data: Float32Array.from({ length: 15 }, (_, i) => i * seed + step) },
    { name: 'conv/bias', shape: [0], data: new Float32Array() },
    { name: 'conv/kernel/momentum', shape: [3, 5], data: new Float32Array(15).fill(seed) },
    { name: 'scale', shape: [], data: Float32Array.of(seed / 3) },
  ],
});
const wanted = { jobUid: 'job-a', initial: state(0), steps: 100 };

async function encode(of: TrainingState, jobUid = 'job-a'): Promise<Buffer> {
  const { tensors } = await digestState(of);
  return Buffer.concat(encodeCheckpoint(jobUid, of, tensors));
}

describe('checkpoint format', () => {
  it('gives back every bit of a state, whatever its names, shapes and values', async () => {
    const tensor = fc
      .tuple(fc.string({ minLength: 1, unit: 'binary' }), fc.float32Array({ maxLength: 70 }))
      .map(([name, data]) => ({ name, shape: [data.length], data }));
    await fc.assert(
      fc.asyncProperty(fc.array(tensor, { maxLength: 5 }), fc.nat(100), async (tensors, step) => {
        const before = { step, tensors };
        const read = await checkState(await encode(before), { ...wanted, initial: before });
        assert.ok(read.ok, read.ok ? '' : read.reason);
        assert.deepEqual(await digestState(read.value), await digestState(before));
      }),
      { numRuns: 50 },
    );
  });

  it('notices any flipped bit, anywhere', async () => {
    const bytes = await encode(state(7));
    for (let at = 0; at < bytes.length; at += 1) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << (at % 8);
      const read = await checkState(flipped, wanted);
      assert.equal(read.ok, false, `byte ${at} of ${bytes.length}`);
    }
  });

  it('notices a file that was cut or that goes on, anywhere', async () => {
    const bytes = await encode(state(7));
    for (let length = 0; length < bytes.length; length += 1) {
      assert.equal((await checkState(bytes.subarray(0, length), wanted)).ok, false, `cut at ${length}`);
    }
    assert.equal((await checkState(Buffer.concat([bytes, Buffer.alloc(1)]), wanted)).ok, false);
  });

  it('refuses arbitrary bytes with a reason', async () => {
    const arbitrary = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }).map((rest) => Buffer.concat([Buffer.from('HAYATECK\x01\0\0\0'), rest])),
    );
    await fc.assert(
      fc.asyncProperty(arbitrary, async (bytes) => {
        const read = await checkState(bytes, wanted);
        assert.ok(!read.ok && read.reason.length > 0);
      }),
    );
  });

  it('says what is wrong', async () => {
    const bytes = await encode(state(7));
    const reason = async (of: Uint8Array, wants = wanted) => {
      const read = await checkState(of, wants);
      return read.ok ? 'fine' : read.reason;
    };
    assert.equal(await reason(bytes), 'fine');
    assert.equal(await reason(bytes.subarray(0, bytes.length - 100)), 'truncated in tensor conv/kernel/momentum');
    const flipped = Buffer.from(bytes);
    flipped[flipped.length - 62]! ^= 4;
    assert.equal(await reason(flipped), 'flipped bits in tensor scale');
    assert.equal(await reason(await encode(state(7), 'job-b')), 'it belongs to another job (job-b)');
    assert.equal(await reason(await encode(state(101))), 'it is of step 101, beyond training.steps 100');
    const other = { ...state(0), tensors: [{ name: 'conv/kernel', shape: [2, 5], data: new Float32Array(10) }] };
    assert.match(
      await reason(bytes, { ...wanted, initial: other }),
      /conv\/kernel is \[3, 5\] there and \[2, 5\] here/,
    );
  });

  it('never needs more bytes than it allows for', async () => {
    assert.ok((await encode(state(100))).length <= maxBytes(state(0)));
  });
});

describe('digestState', () => {
  it('covers the variables in weights, and step and slots in state', async () => {
    const base = await digestState(state(4));
    const slot = state(4);
    slot.tensors[2]!.data[3] = 9;
    const weight = state(4);
    weight.tensors[3]!.data[0] = -0;
    assert.equal((await digestState(slot)).weights, base.weights);
    assert.notEqual((await digestState(slot)).state, base.state);
    assert.notEqual((await digestState(weight)).weights, base.weights);
    assert.notEqual((await digestState({ ...state(4), step: 5 })).state, base.state);
  });
});

describe('checkpoint directory', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'hayate-checkpoint-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const write = async (of: TrainingState, { keep = 2, storage = disk, jobUid = 'job-a' } = {}) => {
    const { tensors } = await digestState(of);
    const pieces = encodeCheckpoint(jobUid, of, tensors);
    return await writeCheckpoint(of.step, pieces, { directory, jobUid, keep, incarnation: 'abc-1', storage });
  };

  it('reads back the newest, and keeps as many as it was told', async () => {
    for (const step of [5, 10, 100, 20]) await write(state(step), { keep: 2 });
    assert.deepEqual(readdirSync(directory).sort(), ['step-100.ckpt', 'step-20.ckpt']);
    const { state: found, skipped } = await readNewest(directory, wanted, disk);
    assert.deepEqual(found, state(100));
    assert.deepEqual(skipped, []);
  });

  it('keeps its own beside the newer ones of another job', async () => {
    for (const step of [70, 80]) await write(state(step), { jobUid: 'job-b' });
    for (const step of [5, 10, 15]) await write(state(step));
    assert.equal((await readNewest(directory, wanted, disk)).state?.step, 15);
    assert.deepEqual(readdirSync(directory).sort(), ['step-10.ckpt', 'step-15.ckpt', 'step-70.ckpt', 'step-80.ckpt']);
  });

  it('finds nothing in a directory that is not there', async () => {
    assert.deepEqual(await readNewest(path.join(directory, 'none'), wanted, disk), { state: undefined, skipped: [] });
  });

  it('skips torn, flipped, foreign and linked files with a reason, and takes the next newest', async () => {
    for (const step of [1, 2, 3, 4]) await write(state(step), { keep: 9 });
    await write(state(5), { keep: 9, jobUid: 'job-b' });
    const file = (step: number) => path.join(directory, `step-${step}.ckpt`);
    truncateSync(file(4), 200);
    const flipped = readFileSync(file(3));
    flipped[flipped.length - 64]! ^= 128;
    writeFileSync(file(3), flipped);
    symlinkSync(file(2), file(6));
    writeFileSync(path.join(directory, 'step-07.ckpt'), 'not one of ours');
    const { state: found, skipped } = await readNewest(directory, wanted, disk);
    assert.equal(found?.step, 2);
    assert.deepEqual(
      skipped.map(({ file: name, reason }) => [path.basename(name), reason]),
      [
        ['step-6.ckpt', 'it cannot be read (ELOOP)'],
        ['step-5.ckpt', 'it belongs to another job (job-b)'],
        ['step-4.ckpt', 'truncated in its header'],
        ['step-3.ckpt', 'flipped bits in tensor scale'],
      ],
    );
  });

  it('survives a crash after any single call of a write, and cleans up at the next', async () => {
    await write(state(1));
    for (let calls = 0; calls < 14; calls += 1) {
      await write(state(2), { storage: dyingAfter(calls) }).catch(() => {});
      const { state: found } = await readNewest(directory, wanted, disk);
      assert.ok(found !== undefined && [1, 2].includes(found.step), `after ${calls} calls: ${found?.step}`);
    }
    await write(state(3));
    assert.deepEqual(readdirSync(directory).sort(), ['step-2.ckpt', 'step-3.ckpt']);
  });

  it('keeps the checkpoint before when the disk is full, and says so in one sentence', async () => {
    await write(state(1));
    const full: Storage = {
      ...disk,
      open: async (file, flags, mode) => {
        const handle = await disk.open(file, flags, mode);
        if (!file.endsWith('.new')) return handle;
        handle.write = () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
        return handle;
      },
    };
    await assert.rejects(write(state(2), { storage: full }), (error) => {
      assert.ok(error instanceof StorageError);
      assert.equal(error.code, 'full');
      assert.equal(
        error.message,
        `could not write the checkpoint of step 2 in ${directory}: the disk is full; free space there or change checkpoint.directory`,
      );
      return true;
    });
    assert.deepEqual(readdirSync(directory), ['step-1.ckpt']);
  });
});

/** Storage of a process that dies: `calls` calls succeed, all later ones never happen. */
function dyingAfter(calls: number): Storage {
  let left = calls;
  const dead = () => {
    left -= 1;
    if (left < 0) throw new Error('dead');
  };
  return {
    mkdir: async (...rest) => (dead(), await disk.mkdir(...rest)),
    readdir: async (...rest) => (dead(), await disk.readdir(...rest)),
    rename: async (...rest) => (dead(), await disk.rename(...rest)),
    rm: async (...rest) => (dead(), await disk.rm(...rest)),
    open: async (...rest) => (dead(), await disk.open(...rest)),
  };
}
