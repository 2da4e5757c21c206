import { elementsOf, floats } from '../device.ts';
import { input, type Kernel } from '../kernel.ts';

/** Sums the slices of x that share a segment id; ids below 0 or past the end are left out, as TensorFlow does. */
export const unsortedSegmentSum: Kernel = ({ device }, inputs, attrs) => {
  const x = input(inputs, 'x');
  const segmentIds = input(inputs, 'segmentIds');
  const segments = attrs['numSegments'] as number;
  const sliceShape = x.shape.slice(segmentIds.shape.length);
  const out = device.make([segments, ...sliceShape], 'float32');
  if (!device.computes) return out;
  const size = elementsOf(sliceShape);
  const source = floats(device, x);
  const ids = device.view(segmentIds);
  const target = floats(device, out).fill(0);
  for (let i = 0; i < ids.length; i++) {
    const segment = ids[i] as number;
    if (segment < 0 || segment >= segments) continue;
    for (let k = 0; k < size; k++) {
      target[segment * size + k] = (target[segment * size + k] as number) + (source[i * size + k] as number);
    }
  }
  return out;
};
