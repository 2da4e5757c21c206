import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { RunnerObserver } from './kube/runner.ts';

const buckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** The operator's metrics; names have the shape of controller-runtime's, so that dashboards carry over. */
export class OperatorMetrics {
  readonly registry = new Registry();
  readonly #reconciles: Counter<'controller' | 'result'>;
  readonly #errors: Counter<'controller'>;
  readonly #seconds: Histogram<'controller'>;
  readonly #active: Gauge<'controller'>;
  readonly #adds: Counter<'name'>;
  readonly #retries: Counter<'name'>;
  readonly #requests: Counter<'method' | 'code'>;
  readonly #rounds: Counter<'resource' | 'kind'>;

  constructor() {
    const registers = [this.registry];
    this.#reconciles = new Counter({
      name: 'hayate_controller_reconcile_total',
      help: 'Passes by result: success, requeue_after, error.',
      labelNames: ['controller', 'result'],
      registers,
    });
    this.#errors = new Counter({
      name: 'hayate_controller_reconcile_errors_total',
      help: 'Passes that failed and will be tried again.',
      labelNames: ['controller'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'hayate_controller_reconcile_time_seconds',
      help: 'Time of a pass.',
      labelNames: ['controller'],
      buckets,
      registers,
    });
    this.#active = new Gauge({
      name: 'hayate_controller_active_workers',
      help: 'Passes under way.',
      labelNames: ['controller'],
      registers,
    });
    this.#adds = new Counter({
      name: 'hayate_workqueue_adds_total',
      help: 'Keys added to the queue.',
      labelNames: ['name'],
      registers,
    });
    this.#retries = new Counter({
      name: 'hayate_workqueue_retries_total',
      help: 'Keys added again after a failure.',
      labelNames: ['name'],
      registers,
    });
    this.#requests = new Counter({
      name: 'hayate_rest_client_requests_total',
      help: 'Requests to the API server; code 0 = no answer.',
      labelNames: ['method', 'code'],
      registers,
    });
    this.#rounds = new Counter({
      name: 'hayate_reflector_rounds_total',
      help: 'Lists, watches and expired versions (gone) of the caches.',
      labelNames: ['resource', 'kind'],
      registers,
    });
  }

  /** Adds the process's own figures (memory, CPU, event loop); once a process. */
  watchProcess(): void {
    collectDefaultMetrics({ register: this.registry });
    // Gauges whose names end in _total, which Prometheus reserves for counters.
    for (const kind of ['handles', 'requests', 'resources']) {
      this.registry.removeSingleMetric(`nodejs_active_${kind}_total`);
    }
  }

  request(method: string, code: number): void {
    this.#requests.inc({ method, code: String(code) });
  }

  round(resource: string, kind: 'list' | 'watch' | 'gone'): void {
    this.#rounds.inc({ resource, kind });
  }

  /** Depth is read when scraped. */
  watchQueue(name: string, depth: () => number): void {
    const gauge: Gauge<'name'> = new Gauge({
      name: 'hayate_workqueue_depth',
      help: 'Keys that wait.',
      labelNames: ['name'],
      registers: [this.registry],
      collect: () => gauge.set({ name }, depth()),
    });
  }

  observer(controller: string, onFailure: (key: string, error: unknown) => void): RunnerObserver {
    return {
      reconciled: (result, seconds) => {
        this.#reconciles.inc({ controller, result });
        this.#seconds.observe({ controller }, seconds);
      },
      added: () => this.#adds.inc({ name: controller }),
      retried: () => this.#retries.inc({ name: controller }),
      active: (change) => this.#active.inc({ controller }, change),
      failed: (key, error) => {
        this.#errors.inc({ controller });
        onFailure(key, error);
      },
    };
  }
}
