import type { Bucket } from '../communication/schedule/types.ts';
import type { Event } from './event.ts';
import type { Simulation } from './simulate.ts';

type Fetch = Extract<Event, { kind: 'fetch' }>;

/** Share by which fetches may raise the peak: AlexNet needs 8 % of it for no sum to come late, which would make the device wait. */
const usualRise = 0.1;

/**
 * Adds fetches of every bucket that is awaited and its release after the last use: fetches in the order of awaiting,
 * each as early as the peak allows that there is when all of them come last, right before they are awaited, and `rise`
 * of it more. What may be fetched before a step begins is fetched in the step before, as soon as it has been submitted and
 * there is room until that step's end too, for which nothing rises.
 */
export function withFetches(
  events: readonly Event[],
  buckets: readonly Bucket[],
  simulate: (events: readonly Event[]) => Simulation,
  rise: number = usualRise,
): Event[] {
  const late = fetchedLast(events, buckets);
  const { mostBytes, peak } = simulate(late);
  const limitBytes = (1 + rise) * peak.bytes;
  const submitted = new Map(late.map((event, at) => [event.kind === 'submit' ? event.bucket : -1, at]));
  const earlier = new Map<number, Fetch[]>();
  let previous = 0;
  late.forEach((event, at) => {
    if (event.kind !== 'fetch') return;
    const bytes = 4 * event.elements;
    const moved = (from: number, down: number, limit: number): number => {
      let to = from;
      while (to > down && (mostBytes[to - 1] as number) + bytes <= limit) {
        to -= 1;
        mostBytes[to] = (mostBytes[to] as number) + bytes;
      }
      return to;
    };
    previous = moved(at, previous, limitBytes);
    const submission = submitted.get(event.bucket);
    const ahead = previous === 0 && submission !== undefined;
    const to = ahead ? moved(late.length, submission + 1, peak.bytes) : previous;
    earlier.set(to, [...(earlier.get(to) ?? []), { ...event, ahead }]);
  });
  const placed = (at: number): Event[] => earlier.get(at) ?? [];
  const others = late.flatMap((event, at) => [...placed(at), ...(event.kind === 'fetch' ? [] : [event])]);
  return [...others, ...placed(late.length)];
}

function fetchedLast(events: readonly Event[], buckets: readonly Bucket[]): Event[] {
  const elements = new Map(buckets.map((bucket) => [bucket.id, bucket.elements]));
  const lastUse = new Map<number, Event>();
  for (const event of events) {
    if (event.kind === 'update' || event.kind === 'average') lastUse.set(event.bucket, event);
  }
  return events.flatMap((event): Event[] => {
    if (event.kind === 'await') {
      return [{ kind: 'fetch', bucket: event.bucket, elements: elements.get(event.bucket) ?? 0, ahead: false }, event];
    }
    const isLast = 'bucket' in event && lastUse.get(event.bucket) === event;
    return isLast ? [event, { kind: 'release', bucket: event.bucket }] : [event];
  });
}
