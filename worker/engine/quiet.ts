/** Advice that tf.layers prints about initialisers, which a person who trains can do nothing with. */
const hints = /^Orthogonal initializer/;

/** Runs `body` with that advice kept off the console; everything else is printed. */
export function withoutHints<T>(body: () => T): T {
  const before = console.warn;
  console.warn = (...words: unknown[]) => {
    if (!hints.test(String(words[0]))) before(...words);
  };
  try {
    return body();
  } finally {
    console.warn = before;
  }
}
