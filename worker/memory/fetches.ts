import type { Bucket } from '../communication/schedule/types.ts';
import type { Event } from './event.ts';
import type { Simulation } from './simulate.ts';

type Fetch = Extract<Event, { kind: 'fetch' }>;

/**
 * Moves fetches forward, in the order of awaiting, each as early as `limitBytes` allow. What may be fetched before a step
 * begins is fetched in the step before, as soon as it has been submitted and there is room until that step's end too,
 * for which nothing rises. In `late` every fetch comes right before it is awaited.
 */
export function withFetches(
  late: readonly Event[],
  { mostBytes: lateBytes, peak }: Simulation,
  limitBytes: number,
): Event[] {
  const mostBytes = [...lateBytes];
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

/** Adds a fetch of every bucket right before it is awaited, and its release after the last use. */
export function fetchedLast(events: readonly Event[], buckets: readonly Bucket[]): Event[] {
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
