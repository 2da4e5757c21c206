import { apiVersion, resource, type TrainingJobStatus } from '@hayate/crds/trainingjob.ts';
import { labels, type WorkerReport } from '@hayate/crds/worker-config.ts';
import type { Pod, Service, Terminated } from '../kube/core.ts';
import { mergeDiff } from '../kube/merge-diff.ts';
import { Store } from '../kube/store.ts';
import { type Observed, observe, type StoredJob } from './observe.ts';
import { type Action, type Plan, planJob } from './plan.ts';

const key = 'n/vgg';

/** A spec with little in it; `overrides` replace whole sections. */
export function specOf(overrides: object = {}): object {
  return {
    workers: { replicas: 2 },
    training: { program: { builtin: 'mnist' }, globalBatchSize: 12, steps: 3 },
    ...overrides,
  };
}

/**
 * Test double of a cluster for planners: holds one job, its pods and its service, carries plans out write by write, and
 * lets a test play the kubelet. Time stands still until a test moves it.
 */
export class SimulatedWorld {
  nowMs = Date.parse('2026-01-01T00:00:00Z');
  report: WorkerReport | undefined;
  /** What happened, in order: kinds of actions with names, and `status`. */
  readonly writes: string[] = [];
  readonly events: string[] = [];
  readonly jobs = new Store<StoredJob>();
  readonly pods = new Store<Pod>(() => key);
  readonly services = new Store<Service>();
  #version = 0;

  constructor(spec: object = specOf()) {
    const metadata = { name: 'vgg', namespace: 'n', uid: 'job-1', generation: 1, resourceVersion: this.#next() };
    this.jobs.put({ apiVersion, kind: resource.kind, metadata, spec });
  }

  get job(): StoredJob | undefined {
    return this.jobs.get(key);
  }

  get status(): TrainingJobStatus {
    return this.job?.status ?? {};
  }

  /** `name:phase` of every pod, in order of name. */
  get podNames(): string[] {
    return this.pods
      .list()
      .map((pod) => pod.metadata.name)
      .sort();
  }

  condition(type: string): string | undefined {
    const found = this.status.conditions?.find((condition) => condition.type === type);
    return found && `${found.status} ${found.reason}`;
  }

  observe(): Observed | undefined {
    return observe(key, this, this.report, this.nowMs);
  }

  plan(): Plan | undefined {
    const observed = this.observe();
    return observed && planJob(observed, { workerImage: 'w:1' });
  }

  /** One pass of an operator that dies after `writes` writes. Returns how many it wanted to make. */
  pass(writes = Number.POSITIVE_INFINITY): number {
    const observed = this.observe();
    if (observed === undefined) return 0;
    const plan = planJob(observed, { workerImage: 'w:1' });
    const patch = mergeDiff(observed.written, plan.status);
    let left = writes;
    for (const action of plan.actions) {
      if (left-- <= 0) return plan.actions.length;
      this.#perform(action);
    }
    if (patch === undefined) return plan.actions.length;
    if (left > 0 && this.job !== undefined) {
      this.writes.push('status');
      this.jobs.put({ ...this.job, metadata: this.#renewed(this.job.metadata), status: plan.status });
      this.events.push(...plan.events.map((event) => event.reason));
    }
    return plan.actions.length + 1;
  }

  /** Passes until nothing is left to write; a planner that never comes to rest is a failure. */
  settle(limit = 20): void {
    for (let i = 0; i < limit; i++) if (this.pass() === 0) return;
    throw new Error(`no rest after ${limit} passes; the last writes: ${this.writes.slice(-8).join(', ')}`);
  }

  edit(spec: object): void {
    const { metadata, ...job } = this.job!;
    const generation = (metadata.generation ?? 0) + 1;
    this.jobs.put({
      ...job,
      metadata: { ...this.#renewed(metadata), generation },
      spec: { ...(job.spec as object), ...spec },
    });
  }

  pod(name: string): Pod {
    return this.pods.get(`n/${name}`)!;
  }

  change(name: string, status: NonNullable<Pod['status']>, metadata: Partial<Pod['metadata']> = {}): void {
    const pod = this.pod(name);
    this.pods.put({
      ...pod,
      metadata: { ...this.#renewed(pod.metadata), ...metadata },
      status: { ...pod.status, ...status },
    });
  }

  run(name: string, ready = true): void {
    this.change(name, {
      phase: 'Running',
      podIP: '127.0.0.9',
      containerStatuses: [{ name: 'worker', ready, state: { running: {} } }],
    });
  }

  end(name: string, exitCode: number, terminated: Partial<Terminated> = {}): void {
    const finishedAt = new Date(this.nowMs).toISOString();
    this.change(name, {
      phase: exitCode === 0 ? 'Succeeded' : 'Failed',
      containerStatuses: [
        { name: 'worker', ready: false, state: { terminated: { exitCode, finishedAt, ...terminated } } },
      ],
    });
  }

  /** Somebody asks for a pod's deletion; the kubelet finishes it with {@link SimulatedWorld.remove}. */
  ask(name: string): void {
    this.change(name, {}, { deletionTimestamp: new Date(this.nowMs).toISOString() });
  }

  remove(name: string): void {
    this.pods.remove(this.pod(name));
  }

  #perform(action: Action): void {
    switch (action.kind) {
      case 'createService':
        this.services.put({ ...action.service, metadata: this.#born(action.service.metadata) });
        break;
      case 'patchService':
        break;
      case 'createPod':
        if (this.pods.get(`n/${action.pod.metadata.name}`) === undefined) {
          this.pods.put({ ...action.pod, metadata: this.#born(action.pod.metadata) });
        }
        break;
      case 'deletePod':
        // As an API server does: a pod that runs goes gracefully, others at once.
        if (this.pod(action.name).status?.phase === 'Running') this.ask(action.name);
        else this.remove(action.name);
        break;
      case 'deleteJob':
        this.jobs.remove(this.job!);
        break;
      default:
        throw new Error(`unknown action ${JSON.stringify(action satisfies never)}`);
    }
    this.writes.push(describeAction(action));
  }

  #born<M extends object>(metadata: M): M {
    const creationTimestamp = new Date(this.nowMs).toISOString();
    return { ...metadata, uid: `uid-${this.#next()}`, resourceVersion: this.#next(), creationTimestamp };
  }

  #renewed<M extends object>(metadata: M): M {
    return { ...metadata, resourceVersion: this.#next() };
  }

  #next(): string {
    this.#version += 1;
    return String(this.#version);
  }
}

function describeAction(action: Action): string {
  if (action.kind === 'createPod') return `createPod ${action.pod.metadata.name}`;
  return 'name' in action ? `${action.kind} ${action.name}` : action.kind;
}

/** Attempts of the pods that still may run. */
export function livingAttempts(pods: readonly Pod[]): Set<string> {
  const alive = pods.filter((pod) => pod.status?.phase !== 'Failed' && pod.status?.phase !== 'Succeeded');
  return new Set(alive.map((pod) => pod.metadata.labels?.[labels.attempt] ?? ''));
}

/** A world whose job runs its first attempt. */
export function runningWorld(overrides: object = {}): SimulatedWorld {
  const world = new SimulatedWorld(specOf(overrides));
  world.settle();
  for (const name of world.podNames) world.run(name);
  world.settle();
  return world;
}
