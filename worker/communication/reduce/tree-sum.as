// AssemblyScript. Sums the contributions of all ranks in the tree of schedule/tree.ts: the left half of n ranks is the
// largest power of two below n. A block goes through the whole tree while it lies in the first-level cache.

const blockBytes: u32 = 8192;

/**
 * destination[i] = tree sum over sources of source[i], float32, `bytes` a multiple of 4.
 * `sources` points to `count` addresses; the destination overlaps none of them. `scratch` has room for one block a level: 16 x 8 KiB.
 */
export function treeSum(destination: usize, sources: usize, count: u32, bytes: u32, scratch: usize): void {
  for (let offset: u32 = 0; offset < bytes; offset += blockBytes) {
    const length = min(blockBytes, bytes - offset);
    reduce(destination + offset, sources, count, offset, length, scratch);
  }
}

function reduce(destination: usize, sources: usize, count: u32, offset: u32, length: u32, scratch: usize): void {
  if (count == 1) {
    memory.copy(destination, at(sources, 0, offset), length);
  } else if (count == 2) {
    add2(destination, at(sources, 0, offset), at(sources, 1, offset), length);
  } else if (count == 3) {
    add3(destination, at(sources, 0, offset), at(sources, 1, offset), at(sources, 2, offset), length);
  } else if (count == 4) {
    add4(
      destination,
      at(sources, 0, offset),
      at(sources, 1, offset),
      at(sources, 2, offset),
      at(sources, 3, offset),
      length,
    );
  } else {
    const left: u32 = 1 << (31 - clz(count - 1));
    reduce(destination, sources, left, offset, length, scratch);
    const right = count - left;
    if (right == 1) {
      add2(destination, destination, at(sources, left, offset), length);
    } else {
      reduce(scratch, sources + 4 * left, right, offset, length, scratch + blockBytes);
      add2(destination, destination, scratch, length);
    }
  }
}

// @ts-ignore: decorator
@inline
function at(sources: usize, index: u32, offset: u32): usize {
  return <usize>load<u32>(sources + 4 * index) + offset;
}

function add2(destination: usize, a: usize, b: usize, length: u32): void {
  const whole = length & ~31;
  let i: u32 = 0;
  for (; i < whole; i += 32) {
    v128.store(destination + i, f32x4.add(v128.load(a + i), v128.load(b + i)));
    v128.store(destination + i, f32x4.add(v128.load(a + i, 16), v128.load(b + i, 16)), 16);
  }
  for (; i < length; i += 4) {
    store<f32>(destination + i, load<f32>(a + i) + load<f32>(b + i));
  }
}

function add3(destination: usize, a: usize, b: usize, c: usize, length: u32): void {
  const whole = length & ~15;
  let i: u32 = 0;
  for (; i < whole; i += 16) {
    v128.store(destination + i, f32x4.add(f32x4.add(v128.load(a + i), v128.load(b + i)), v128.load(c + i)));
  }
  for (; i < length; i += 4) {
    store<f32>(destination + i, load<f32>(a + i) + load<f32>(b + i) + load<f32>(c + i));
  }
}

function add4(destination: usize, a: usize, b: usize, c: usize, d: usize, length: u32): void {
  const whole = length & ~15;
  let i: u32 = 0;
  for (; i < whole; i += 16) {
    v128.store(
      destination + i,
      f32x4.add(
        f32x4.add(v128.load(a + i), v128.load(b + i)),
        f32x4.add(v128.load(c + i), v128.load(d + i)),
      ),
    );
  }
  for (; i < length; i += 4) {
    store<f32>(destination + i, load<f32>(a + i) + load<f32>(b + i) + (load<f32>(c + i) + load<f32>(d + i)));
  }
}
