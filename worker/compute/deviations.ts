import type { DeviceMemory } from '../engine/engine.ts';
import type { Graph } from '../graph/graph.ts';
import { describeEvent, describeValue } from '../memory/explain.ts';
import type { Ledger } from '../memory/ledger.ts';
import type { Overlap, Reuse } from '../memory/measured-reuse.ts';
import type { Plan } from '../memory/plan.ts';

/** What is known of memory when a step has ended. */
export interface Findings {
  peakBytes: number;
  device: DeviceMemory | undefined;
  reuse: Reuse | undefined;
}

/** Shares and bytes by which a device's allocator may pass the plan unremarked: it rounds, and small workspaces come and go. */
const slack = { share: 0.1, bytes: 64 * 2 ** 20 };

type Kind = 'ledger' | 'device' | 'overlap';

/** What the plan or the engine gets wrong about memory: every kind of it is said once. */
export class Deviations {
  readonly #graph: Graph;
  readonly #plan: Plan;
  readonly #ledger: Ledger;
  readonly #said = new Set<Kind>();

  constructor({ graph, plan }: { graph: Graph; plan: Plan }, ledger: Ledger) {
    this.#graph = graph;
    this.#plan = plan;
    this.#ledger = ledger;
  }

  /** A sentence about what has come up since the last call; undefined when there is nothing new. */
  warning({ peakBytes, device, reuse }: Findings): string | undefined {
    const found = new Map<Kind, string | undefined>([
      ['ledger', this.#ofLedger(peakBytes)],
      ['device', device && this.#ofDevice(device.peak)],
      ['overlap', reuse?.overlap && this.#ofOverlap(reuse.overlap)],
    ]);
    const sentences: string[] = [];
    for (const [kind, sentence] of found) {
      if (sentence === undefined || this.#said.has(kind)) continue;
      this.#said.add(kind);
      sentences.push(`memory: ${sentence}`);
    }
    return sentences.length === 0 ? undefined : sentences.join('; ');
  }

  #ofLedger(peakBytes: number): string | undefined {
    const { deviation } = this.#ledger;
    if (deviation !== undefined) {
      const { event, predictedBytes, measuredBytes } = deviation;
      const where = describeEvent(this.#graph, event);
      return `${measuredBytes} bytes alive after ${where} where the plan says ${predictedBytes}`;
    }
    const planned = this.#plan.peak.bytes;
    return peakBytes > planned ? `a peak of ${peakBytes} bytes where the plan says ${planned}` : undefined;
  }

  #ofDevice(peakBytes: number): string | undefined {
    const planned = this.#plan.peak.bytes;
    const beyond = peakBytes - planned;
    if (beyond <= slack.bytes || beyond <= slack.share * planned) return undefined;
    return (
      `the device's allocator held ${peakBytes} bytes at its peak, ${Math.round((100 * beyond) / planned)} % more than ` +
      `the plan's ${planned}: temporaries of its library, most likely; leave that much room beside the plan`
    );
  }

  #ofOverlap({ value, other, bytes }: Overlap): string {
    const [first, second] = [value, other].map((id) => describeValue(this.#graph, id));
    return `${first} and ${second} shared ${bytes} bytes while both were alive: do not trust this run, and report it`;
  }
}
