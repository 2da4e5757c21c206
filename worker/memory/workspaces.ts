import type { Plan } from './plan.ts';

/** A way to compute a convolution. */
export interface Way {
  milliseconds: number;
  workspaceBytes: number;
}

export interface WorkspaceRequest {
  /** Planned without workspaces. */
  plan: Pick<Plan, 'steady' | 'baseBytes' | 'peak'>;
  /** Bytes that a node holds at its worst without workspace, beyond what was alive. */
  nodeBytes: (node: number) => number;
  /** What each convolution, by its node, could be computed by; none: there is nothing to choose. */
  ways: ReadonlyMap<number, readonly Way[]>;
}

export interface Workspaces {
  /** What each convolution may hold besides, by its node. */
  workspaceBytes: ReadonlyMap<number, number>;
  /** Of all convolutions together. */
  milliseconds: number;
  /** The plan's, workspaces included. */
  peakBytes: number;
  reason: string;
}

/** Share by which workspaces may raise a plan's peak. */
const mostRise = 0.25;
/** Share of the convolutions' time that is given up for less memory. */
const slower = 0.02;

/**
 * Chooses how each convolution is computed. Among the peaks up to a quarter above the plan's own it takes the smallest
 * at which all convolutions together take at most 2 % longer than at the largest. Where a convolution fits in nothing
 * so low, the limit is what the one with the smallest workspace needs.
 */
export function chooseWorkspaces({ plan, nodeBytes, ways }: WorkspaceRequest): Workspaces {
  const convolutions = convolutionsOf(plan, nodeBytes, ways);
  const lowest = Math.max(plan.peak.bytes, ...convolutions.map(({ choices }) => choices[0]?.peakBytes ?? 0));
  const limit = Math.max(lowest, Math.floor((1 + mostRise) * plan.peak.bytes));
  const totals = totalsBelow(convolutions, lowest);
  const best = totals.findLast(({ peakBytes }) => peakBytes <= limit) as Total;
  const chosen = totals.find(({ milliseconds }) => milliseconds <= (1 + slower) * best.milliseconds) as Total;
  const taken = convolutions.map(({ node, choices }) => ({ node, choice: bestWithin(choices, chosen.peakBytes) }));
  const milliseconds = taken.reduce((sum, { choice }) => sum + choice.milliseconds, 0);
  const peakBytes = Math.max(plan.peak.bytes, ...taken.map(({ choice }) => choice.peakBytes));
  return {
    workspaceBytes: new Map(taken.map(({ node, choice }) => [node, choice.workspaceBytes])),
    milliseconds,
    peakBytes,
    reason: reasonOf({ peakBytes, milliseconds }, totals.at(-1)),
  };
}

interface Choice extends Way {
  /** Alive while the convolution runs so. */
  peakBytes: number;
}

interface Convolution {
  node: number;
  /** From little workspace to much, each faster than the one before. */
  choices: readonly Choice[];
}

interface Total {
  peakBytes: number;
  milliseconds: number;
}

function convolutionsOf(
  { steady: { events, liveBytes }, baseBytes }: WorkspaceRequest['plan'],
  nodeBytes: WorkspaceRequest['nodeBytes'],
  ways: WorkspaceRequest['ways'],
): Convolution[] {
  return events.flatMap((event, at) => {
    const possible = event.kind === 'run' ? (ways.get(event.node) ?? []) : [];
    if (event.kind !== 'run' || possible.length === 0) return [];
    const heldBytes = (liveBytes[at - 1] ?? baseBytes) + nodeBytes(event.node);
    return [{ node: event.node, choices: worthwhile(possible, heldBytes) }];
  });
}

function worthwhile(ways: readonly Way[], heldBytes: number): Choice[] {
  const bySize = ways.toSorted((a, b) => a.workspaceBytes - b.workspaceBytes || a.milliseconds - b.milliseconds);
  const choices: Choice[] = [];
  for (const way of bySize) {
    const fastest = choices.at(-1)?.milliseconds ?? Infinity;
    if (way.milliseconds < fastest) choices.push({ ...way, peakBytes: heldBytes + way.workspaceBytes });
  }
  return choices;
}

/** Time of all convolutions at every peak from `lowest` on at which it falls, in order. */
function totalsBelow(convolutions: readonly Convolution[], lowest: number): Total[] {
  let milliseconds = 0;
  const gains: { peakBytes: number; saved: number }[] = [];
  for (const { choices } of convolutions) {
    let before = 0;
    for (const choice of choices) {
      if (choice.peakBytes <= lowest) before = choice.milliseconds;
      else {
        gains.push({ peakBytes: choice.peakBytes, saved: before - choice.milliseconds });
        before = choice.milliseconds;
      }
    }
    milliseconds += bestWithin(choices, lowest).milliseconds;
  }
  const totals: Total[] = [{ peakBytes: lowest, milliseconds }];
  for (const { peakBytes, saved } of gains.sort((a, b) => a.peakBytes - b.peakBytes)) {
    milliseconds -= saved;
    totals.push({ peakBytes, milliseconds });
  }
  return totals;
}

function bestWithin(choices: readonly Choice[], peakBytes: number): Choice {
  return (choices.findLast((choice) => choice.peakBytes <= peakBytes) ?? choices[0]) as Choice;
}

function reasonOf(chosen: Total, fastest: Total): string {
  const taken = `convolutions take ${ms(chosen)} with workspaces within ${mib(chosen)}`;
  return ms(chosen) === ms(fastest) ? taken : `${taken}; ${ms(fastest)} would need ${mib(fastest)}`;
}

function ms({ milliseconds }: Total): string {
  return `${milliseconds.toFixed(1)} ms`;
}

function mib({ peakBytes }: Total): string {
  return `${Math.ceil(peakBytes / 2 ** 20).toLocaleString('en-US')} MiB`;
}
