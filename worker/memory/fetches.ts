import type { Bucket } from '../communication/schedule/types.ts';
import type { Event } from './event.ts';
import type { Simulation } from './simulate.ts';

type Fetch = Extract<Event, { kind: 'fetch' }>;

/** Share by which fetches may raise the peak: what comes late makes the device wait. */
const usualRise = 0.02;
/** A large bucket is fetched in parts of 32 MiB: where there is not room for all of it early, there may be for most. */
const usualElements = 8 << 20;

/**
 * Adds fetches of every bucket that is awaited and its release after the last use: fetches in the order of awaiting,
 * each as early as the peak allows that there is when all of them come last, right before they are awaited, and `rise`
 * of it more.
 */
export function withFetches(
  events: readonly Event[],
  buckets: readonly Bucket[],
  simulate: (events: readonly Event[]) => Simulation,
  mostElements: number = usualElements,
  rise: number = usualRise,
): Event[] {
  const late = fetchedLast(events, buckets, mostElements);
  const { mostBytes, peak } = simulate(late);
  const limitBytes = (1 + rise) * peak.bytes;
  const earlier = new Map<number, Fetch[]>();
  let previous = 0;
  late.forEach((event, at) => {
    if (event.kind !== 'fetch') return;
    const bytes = 4 * event.elements;
    let to = at;
    while (to > previous && (mostBytes[to - 1] as number) + bytes <= limitBytes) {
      to -= 1;
      mostBytes[to] = (mostBytes[to] as number) + bytes;
    }
    earlier.set(to, [...(earlier.get(to) ?? []), event]);
    previous = to;
  });
  return late.flatMap((event, at) => [...(earlier.get(at) ?? []), ...(event.kind === 'fetch' ? [] : [event])]);
}

function fetchedLast(events: readonly Event[], buckets: readonly Bucket[], mostElements: number): Event[] {
  const elements = new Map(buckets.map((bucket) => [bucket.id, bucket.elements]));
  const lastUse = new Map<number, Event>();
  for (const event of events) {
    if (event.kind === 'update' || event.kind === 'average') lastUse.set(event.bucket, event);
  }
  return events.flatMap((event): Event[] => {
    if (event.kind === 'await')
      return [...fetchesOf(event.bucket, elements.get(event.bucket) ?? 0, mostElements), event];
    const isLast = 'bucket' in event && lastUse.get(event.bucket) === event;
    return isLast ? [event, { kind: 'release', bucket: event.bucket }] : [event];
  });
}

function fetchesOf(bucket: number, elements: number, mostElements: number): Fetch[] {
  return Array.from({ length: Math.ceil(elements / mostElements) }, (_, part) => {
    const offset = part * mostElements;
    return { kind: 'fetch', bucket, offset, elements: Math.min(mostElements, elements - offset) };
  });
}
