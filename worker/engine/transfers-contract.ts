import assert from 'node:assert/strict';
import { type Engine, EngineError, type Handle } from './engine.ts';

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

/** The part of the contract that is about gradients that leave an engine, and sums that come to it. */
export function transfersContract(opened: () => Engine): void {
  let engine: Engine;
  before(() => {
    engine = opened();
  });

  const floats = (values: number[]) => engine.upload(Float32Array.from(values), [values.length], 'float32');
  const freeAll = (handles: readonly Handle[]) => {
    for (const handle of handles) engine.free(handle);
  };

  it('sends a part of a tensor, as long as the memory that it goes to, and refuses one that there is not', () => {
    const handle = floats(Array.from({ length: 100_000 }, (_, at) => at));
    const starts = [0, 16, 70_016, 99_999, 100_000];
    const target = new Float32Array(new SharedArrayBuffer(400_000)).fill(-1);
    engine.pin(target);
    const transfers = starts.map((from, at) => engine.send(handle, target.subarray(from, starts[at + 1]), from));
    for (const transfer of transfers) engine.wait(transfer);
    assert.ok(target.every((value, at) => value === at));
    const wrong = [99_999, 100_001, -1, 2 ** 40].map((from) => () => engine.send(handle, new Float32Array(2), from));
    for (const send of wrong) assert.throws(send, EngineError);
    target.fill(-1);
    const lengths = [7, 60_000, 0, 30_000, 9_993];
    const others = lengths.map((length, part) => floats(Array.from({ length: length + part }, (_, at) => at)));
    const parts = others.map((other, part) => {
      return { handle: other, first: part, offset: sum(lengths.slice(0, part)), length: lengths[part]! };
    });
    const together = engine.sendAll(parts, target);
    freeAll(others);
    assert.ok(together.length <= engine.lanes);
    for (const transfer of together) engine.wait(transfer);
    assert.ok(together.every((transfer) => engine.arrived(transfer)));
    for (const [part, { offset, length }] of parts.entries()) {
      assert.ok(
        target.subarray(offset, offset + length).every((value, at) => value === part + at),
        `part ${part}`,
      );
    }
    assert.ok(target.subarray(sum(lengths)).every((value) => value === -1));
    assert.deepEqual(engine.sendAll([], target), []);
    engine.unpin(target);
    engine.free(handle);
  });

  const bring = (tensor: Handle, from: Float32Array, first = 0, isVacant = false) => {
    const expected = engine.expect(tensor, first, from.length, isVacant);
    while (!engine.bring(expected, from)); // a device may still be at work there
    assert.equal(engine.settle(expected), true);
  };
  /** 0, 1, 2 and so on, in memory of the host that the engine knows. */
  const counting = (length: number) => {
    const numbers = new Float32Array(new SharedArrayBuffer(4 * length));
    for (const at of numbers.keys()) numbers[at] = at;
    engine.pin(numbers);
    return numbers;
  };

  it('takes parts of a sum from a room that was brought beside what it computes, again and again', () => {
    const from = counting(2000);
    const variables = [0, 0].map((start) => floats(Array.from({ length: 900 }, () => start)));
    const sgd = { kind: 'sgd', learningRate: 1 } as const;
    for (let round = 1; round <= 2; round++) {
      const before = engine.liveBytes();
      engine.free(floats(Array.from({ length: 2000 }, () => 9)));
      const room = engine.room(2000);
      assert.equal(engine.liveBytes() - before, 8000);
      for (let again = 0; again < 2; again++) {
        bring(room, from);
        const [first, second] = [0, 1100].map((offset) => ({ handle: room, offset, length: 900 }));
        assert.equal(engine.update(variables[0]!, [], first!, 1, sgd, 1), true);
        assert.equal(engine.average(variables[1]!, second!, round, 2), true);
      }
      engine.free(room);
      engine.free(floats(Array.from({ length: 2000 }, () => 9)));
      const [updated, averaged] = variables.map((variable) => engine.read(variable));
      assert.deepEqual([updated![0], updated![899]], [0, -899 * 2 * round]);
      assert.deepEqual([averaged![0], averaged![899]], [1100 * round, 1999 * round]);
    }
    const whole = floats([1, 1, 1, 1, 1]);
    const velocity = floats([0, 0, 0, 0, 0]);
    const pieces = [engine.room(3), engine.room(2)];
    for (const [at, piece] of pieces.entries()) bring(piece, from.subarray(3 * at, 3 * at + 3 - at));
    const step = { kind: 'momentum', learningRate: 1, momentum: 1, nesterov: false } as const;
    engine.update(whole, [velocity], { handle: pieces[1]!, offset: 0, length: 2 }, 1, step, 1, 3);
    engine.update(whole, [velocity], { handle: pieces[0]!, offset: 1, length: 2 }, 1, step, 1, 1);
    engine.average(velocity, { handle: pieces[0]!, offset: 2, length: 1 }, 2, 1);
    freeAll(pieces);
    assert.deepEqual([...engine.read(whole)], [1, 0, -1, -2, -3]);
    assert.deepEqual([...engine.read(velocity)], [4, 1, 2, 3, 4]);
    freeAll([...variables, whole, velocity]);
    engine.unpin(from);
  });

  it('brings sums, large and small, to the parts of a tensor that it has sent', () => {
    const lengths = [1_500_000, 20_000, 1_500_000, 3, 500_000];
    const total = sum(lengths);
    const outgoing = new Float32Array(new SharedArrayBuffer(4 * total));
    engine.pin(outgoing);
    const from = counting(total);
    const variable = floats(Array.from({ length: total }, () => 0));
    const gradient = floats(Array.from({ length: total }, () => 5));
    const step = { kind: 'sgd', learningRate: -1 } as const;
    const firsts = lengths.map((_, at) => sum(lengths.slice(0, at)));
    const parts = (numbers: Float32Array) => firsts.map((first, at) => numbers.subarray(first, first + lengths[at]!));
    for (let round = 1; round <= 2; round++) {
      for (const transfer of parts(outgoing).map((part, at) => engine.send(gradient, part, firsts[at]))) {
        engine.wait(transfer);
      }
      assert.ok(outgoing.every((value, at) => value === (round === 1 ? 5 : at)));
      parts(from).forEach((part, at) => bring(gradient, part, firsts[at], true));
      firsts.forEach((offset, at) => {
        engine.update(variable, [], { handle: gradient, offset, length: lengths[at]! }, 1, step, 1, offset);
      });
      const updated = engine.read(variable);
      assert.ok(updated.every((value, at) => value === round * at));
    }
    freeAll([variable, gradient]);
    engine.unpin(outgoing);
    engine.unpin(from);
  });

  it('needs what was expected, or waits for it itself as long as nobody waits for the engine, and takes memory meanwhile', () => {
    const from = counting(100_000);
    const variable = floats(Array.from({ length: 100_000 }, () => 0));
    const sgd = { kind: 'sgd', learningRate: -1 } as const;
    engine.stalledSeconds();
    const more: Handle[] = [];
    for (let round = 1; round <= 20; round++) {
      const before = engine.liveBytes();
      const room = engine.room(100_000);
      const expected = engine.expect(room, 0, 100_000, false);
      const isWaiting = engine.settle(expected);
      assert.equal(isWaiting, engine.fetches);
      const others = Array.from({ length: 3 }, () => floats([1, 2, 3]));
      const take = () => engine.update(variable, [], { handle: room, offset: 0, length: 100_000 }, 1, sgd, 1);
      if (isWaiting) {
        take();
        engine.free(room);
        freeAll(others.splice(0));
      }
      if (round % 4 === 0) more.push(engine.room(4 << 20));
      while (!engine.bring(expected, from));
      if (!isWaiting) {
        assert.equal(engine.settle(expected), true);
        take();
        freeAll([room, ...others]);
      }
      assert.equal(engine.liveBytes(), before + (round % 4 === 0 ? 16 << 20 : 0));
      assert.ok(engine.read(variable).every((value, at) => value === round * at));
      assert.throws(() => engine.bring(expected, from), EngineError);
      assert.throws(() => engine.settle(expected), EngineError);
    }
    const stalled = engine.stalledSeconds();
    assert.ok(engine.fetches ? stalled > 0 && stalled < 10 : stalled === 0);
    freeAll([variable, ...more]);
    engine.unpin(from);
  });

  it('refuses to expect what a tensor has no room for, and to be brought anything else than it expects', () => {
    const room = engine.room(3);
    const wrong = [
      [1, 3],
      [-1, 1],
      [4, 1],
      [2 ** 40, 1],
      [0, 2 ** 40],
    ] as const;
    for (const [first, elements] of wrong) {
      assert.throws(() => engine.expect(room, first, elements, false), EngineError);
    }
    const expected = engine.expect(room, 1, 2, true);
    assert.throws(() => engine.bring(expected, Float32Array.of(1)), EngineError);
    assert.equal(engine.bring(expected, Float32Array.of(1, 2)), true);
    assert.throws(() => engine.bring(expected, Float32Array.of(1, 2)), EngineError);
    assert.throws(() => engine.bring(expected + 1, Float32Array.of(1, 2)), EngineError);
    assert.equal(engine.settle(expected), true);
    const whole = engine.upload(Int32Array.of(1), [1], 'int32');
    assert.throws(() => engine.expect(whole, 0, 1, true), EngineError);
    freeAll([room, whole]);
  });

  it('sends to memory of the host while it goes on, and keeps what it sends until it has arrived', () => {
    const lengths = [1000, 100_000, 7, 1_200_000, 1000, 100_000, 3];
    const offsets = lengths.map((_, at) => 16 + sum(lengths.slice(0, at)));
    const target = new Float32Array(new SharedArrayBuffer(4 * (16 + sum(lengths))));
    engine.pin(target);
    for (const order of [[6, 0, 3], [3, 6], [1]]) {
      target.fill(0);
      const transfers = lengths.map((length, at) => {
        const part = floats(Array.from({ length }, () => at + 1));
        const transfer = engine.send(part, target.subarray(offsets[at], offsets[at]! + length));
        engine.free(part);
        engine.free(floats(Array.from({ length }, () => 9)));
        return transfer;
      });
      const isThere = (at: number) => {
        const part = target.subarray(offsets[at], offsets[at]! + lengths[at]!);
        return engine.arrived(transfers[at]!) && part.every((value) => value === at + 1);
      };
      for (const at of order) {
        engine.wait(transfers[at]!);
        assert.ok(isThere(at), `part ${at} has not arrived`);
      }
      for (const transfer of transfers) engine.wait(transfer);
      assert.ok(lengths.every((_, at) => isThere(at)));
    }
    assert.equal(target[15], 0);
    engine.unpin(target);
  });
}
