import { telemetryPort } from '@hayate/crds/worker-config.ts';
import type { ExchangePlan } from '../communication/schedule/types.ts';
import type { Built, StepDone } from '../compute/messages.ts';
import type { Finished } from '../compute-link.ts';
import type { Context } from '../context.ts';
import { serveTelemetry } from './http.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { beginRun, finalReport, type Run, stepSeconds, withStep, workerReport } from './report.ts';
import { writeReport } from './write-report.ts';

/** What this rank tells the world about itself, kept up to date as the run goes on. */
export class Telemetry {
  readonly #context: Context;
  readonly #startedMs: number;
  readonly #metrics: Metrics;
  readonly #bytesByCollective: () => Promise<Readonly<Record<string, number>>>;
  #run: Run;
  #ready = false;

  constructor(context: Context, bytesByCollective: () => Promise<Readonly<Record<string, number>>>) {
    this.#context = context;
    this.#startedMs = context.clock();
    this.#run = beginRun(context.config, context.engine, context.settings);
    this.#bytesByCollective = bytesByCollective;
    this.#metrics = createMetrics({
      engine: { engine: context.engine, ...context.settings },
      bytesByCollective,
      memory: () => ({
        predictedBytes: this.#run.built?.predictedPeakBytes ?? 0,
        measuredBytes: this.#run.measuredPeakBytes,
        device: this.#run.deviceMemory,
        reuse: this.#run.reuse,
      }),
    });
  }

  /** Opens the port; throws PortInUseError. Resolves to a function that closes it. */
  async serve(): Promise<() => Promise<void>> {
    const { close } = await serveTelemetry({
      host: this.#context.environment.podIp,
      port: telemetryPort,
      metrics: this.#metrics.render,
      ready: () => this.#ready,
      status: this.#run.rank === 0 ? () => workerReport(this.#run) : undefined,
    });
    return close;
  }

  get stepsDone(): number {
    return this.#run.step;
  }

  /** A step that no rank can have passed half a second from now: ranks are at most one step apart. */
  get unreachedStep(): number {
    return this.#run.step + 2 + Math.ceil(0.5 / Math.max(stepSeconds(this.#run) ?? 1, 1e-4));
  }

  /** Training starts at `step`: from now on this worker is ready. */
  started(built: Built, plan: ExchangePlan, step: number): void {
    this.#run = { ...this.#run, built, plan, step };
    this.#ready = true;
  }

  stepped(step: StepDone): void {
    this.#run = withStep(this.#run, step);
    this.#metrics.step(step);
  }

  saved(step: number): void {
    this.#run = { ...this.#run, checkpoint: { step, time: this.#context.now().toISOString() } };
  }

  ended({ state, loss, accuracy, measuredPeakBytes }: Finished, weightsDigest: string): void {
    this.#run = {
      ...this.#run,
      step: state.step,
      weightsDigest,
      measuredPeakBytes: Math.max(this.#run.measuredPeakBytes, measuredPeakBytes),
      ...(loss === undefined ? {} : { loss }),
      ...(accuracy === undefined ? {} : { accuracy }),
    };
  }

  /** Leaves the final report in the working directory. Throws StorageError. */
  async report(): Promise<void> {
    const seconds = (this.#context.clock() - this.#startedMs) / 1000;
    const bytesByCollective = await this.#bytesByCollective();
    await writeReport('.', finalReport(this.#run, { seconds, bytesByCollective }));
  }
}
