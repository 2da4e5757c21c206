import type { Bucket } from '../communication/schedule/types.ts';
import type { Graph } from '../graph/graph.ts';
import type { Event } from './event.ts';
import { fetchedLast, withFetches } from './fetches.ts';
import { withLateFrees } from './late-frees.ts';
import type { Simulation } from './simulate.ts';
import { findStays, type Stay, withStay } from './stays.ts';

/**
 * Share by which sums may raise the peak. AlexNet needs 23 % for all of them to come to where their contributions were: a step of
 * 6.4 ms, where with 15 % the bus stood still until there was memory, for 7.2 ms.
 */
const usualRise = 0.25;

type Simulate = (events: readonly Event[]) => Simulation;

/**
 * What a step needs besides on an engine that is far from the host's memory, so that copies go on beside computing.
 * Sums come into the memory of their contributions, where that can stay for so long; the others are fetched into rooms. For both
 * together the peak may rise by `rise` over that of fetching each sum right before it is awaited. What was handed over is
 * freed late, for which nothing rises.
 */
export function withTransfers(
  graph: Graph,
  events: readonly Event[],
  buckets: readonly Bucket[],
  simulate: Simulate,
  rise: number = usualRise,
): Event[] {
  const late = fetchedLast(events, buckets);
  const limitBytes = (1 + rise) * simulate(late).peak.bytes;
  const stayed = withStays(late, findStays(graph, late, buckets), (tried) => simulate(tried).peak.bytes <= limitBytes);
  const fetched = withFetches(stayed, simulate(stayed), limitBytes);
  return withLateFrees(graph, fetched, simulate(fetched));
}

/** All of them if they fit, else one after the other. */
function withStays(
  events: readonly Event[],
  stays: readonly Stay[],
  fits: (events: readonly Event[]) => boolean,
): readonly Event[] {
  const all = stays.reduce<readonly Event[]>(withStay, events);
  if (fits(all)) return all;
  return stays.reduce<readonly Event[]>((chosen, stay) => {
    const tried = withStay(chosen, stay);
    return fits(tried) ? tried : chosen;
  }, events);
}
