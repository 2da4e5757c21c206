import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { StepDone } from '../compute/messages.ts';
import type { DeviceMemory, EngineName, EngineSettings } from '../engine/engine.ts';
import type { Reuse } from '../memory/measured-reuse.ts';

/** Read when Prometheus asks. */
export interface MetricsSource {
  /** Known from the start, and the same to the end. */
  engine: { engine: EngineName } & EngineSettings;
  bytesByCollective: () => Promise<Readonly<Record<string, number>>>;
  memory: () => {
    predictedBytes: number;
    measuredBytes: number;
    device: DeviceMemory | undefined;
    reuse: Reuse | undefined;
  };
}

export interface Metrics {
  step: (step: StepDone) => void;
  render: () => Promise<{ contentType: string; text: string }>;
}

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** The metrics of one rank, in a registry of their own. Labels hold no text of a user's. */
export function createMetrics(source: MetricsSource): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const seconds = new Histogram({
    name: 'hayate_step_seconds',
    help: 'Time of a training step.',
    buckets: secondsBuckets,
    registers,
  });
  const exposed = new Histogram({
    name: 'hayate_exposed_communication_seconds',
    help: 'Time of a step in which computing waited for sums of gradients.',
    buckets: secondsBuckets,
    registers,
  });
  const loss = new Gauge({ name: 'hayate_loss', help: "This rank's loss of a recent step.", registers });
  const done = new Gauge({ name: 'hayate_step', help: 'Steps done.', registers });
  const engine = new Gauge({
    name: 'hayate_engine_info',
    help: 'Always 1: the engine that computes, its device and the precision of its products.',
    labelNames: ['engine', 'device', 'precision'],
    registers,
  });
  const { engine: name, device, precision } = source.engine;
  engine.set({ engine: name, device, precision }, 1);
  collected(registry, source);
  processMetrics(registry);
  return {
    step: (step) => {
      seconds.observe(step.seconds);
      exposed.observe(step.exposedSeconds);
      done.set(step.step);
      if (step.loss !== undefined) loss.set(step.loss);
    },
    render: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

function collected(registry: Registry, { bytesByCollective, memory }: MetricsSource): void {
  registry.registerMetric(
    new Counter({
      name: 'hayate_communication_bytes_total',
      help: 'Bytes of gradients sent, by collective.',
      labelNames: ['collective'],
      registers: [],
      async collect() {
        const sent = Object.entries(await bytesByCollective());
        this.reset();
        for (const [collective, bytes] of sent) this.inc({ collective }, bytes);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: 'hayate_memory_peak_bytes',
      help: "Peak of the engine's live bytes: as the plan predicts it, as the ledger measured it, and as a GPU's allocator has it.",
      labelNames: ['kind'],
      registers: [],
      collect() {
        const { predictedBytes, measuredBytes, device } = memory();
        this.set({ kind: 'predicted' }, predictedBytes);
        this.set({ kind: 'measured' }, measuredBytes);
        if (device !== undefined) this.set({ kind: 'device' }, device.peak);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: 'hayate_memory_reuse_bytes',
      help: 'Bytes that a step reuses of the memory that it has freed: by plan, and by the addresses of one step.',
      labelNames: ['kind'],
      registers: [],
      collect() {
        const { reuse } = memory();
        if (reuse === undefined) return;
        this.set({ kind: 'planned' }, reuse.plannedBytes);
        this.set({ kind: 'measured' }, reuse.hitBytes);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: 'hayate_device_memory_limit_bytes',
      help: "Bytes of a GPU that the engine's allocator may hold; absent on the CPU.",
      labelNames: [],
      registers: [],
      collect() {
        const { device } = memory();
        if (device === undefined) this.remove();
        else this.set(device.limit);
      },
    }),
  );
}

/** The few process metrics that dashboards use, under the names that all client libraries share. */
function processMetrics(registry: Registry): void {
  registry.registerMetric(
    new Counter({
      name: 'process_cpu_seconds_total',
      help: 'User and system CPU time of the process.',
      registers: [],
      collect() {
        const { user, system } = process.cpuUsage();
        this.reset();
        this.inc((user + system) / 1e6);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: 'process_resident_memory_bytes',
      help: 'Resident memory of the process.',
      registers: [],
      collect() {
        this.set(process.memoryUsage.rss());
      },
    }),
  );
  const started = performance.timeOrigin / 1000;
  registry.registerMetric(
    new Gauge({
      name: 'process_start_time_seconds',
      help: 'Start of the process since the epoch.',
      registers: [],
      collect() {
        this.set(started);
      },
    }),
  );
}
