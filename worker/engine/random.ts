/** A generator of numbers in [0, 1), all exact in float32, fully determined by its seeds (integers): sfc32 behind a multiplicative hash. */
export function generator(...seeds: readonly number[]): () => number {
  let hash = 0x9e3779b9;
  const next = () => {
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^= hash >>> 16) >>> 0;
  };
  for (const seed of seeds) {
    hash ^= seed >>> 0;
    next();
    hash ^= Math.floor(seed / 2 ** 32) >>> 0;
    next();
  }
  let [a, b, c, counter] = [next(), next(), next(), 1];
  const draw = () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 8) / 2 ** 24;
  };
  for (let i = 0; i < 12; i++) draw();
  return draw;
}

/** Runs `body` with Math.random replaced by `random`: TensorFlow.js takes its default seeds from there. */
export function withRandom<T>(random: () => number, body: () => T): T {
  const before = Math.random;
  Math.random = random;
  try {
    return body();
  } finally {
    Math.random = before;
  }
}
