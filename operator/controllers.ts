import type { Logger } from 'pino';
import type { KubeClient } from './kube/client.ts';
import type { Clock } from './kube/clock.ts';
import { type Pod, podResource, type Service, serviceResource } from './kube/core.ts';
import { isConflict } from './kube/errors.ts';
import { EventRecorder } from './kube/events.ts';
import { controllerOf, type KubeObject, keyOf, type Resource } from './kube/object.ts';
import { Reflector } from './kube/reflector.ts';
import { Runner } from './kube/runner.ts';
import type { OperatorMetrics } from './metrics.ts';
import { trainingJobController } from './trainingjob/controller.ts';
import { managedBy } from './trainingjob/desired/labels.ts';
import { jobResource } from './trainingjob/execute.ts';
import type { StoredJob } from './trainingjob/observe.ts';
import { ReportReader } from './trainingjob/progress.ts';

/** What the operator logs to: one line of JSON a transition. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn'>;

export interface Surroundings {
  client: KubeClient;
  /** Undefined = all namespaces. */
  namespace: string | undefined;
  workerImage: string;
  clock: Clock;
  random: () => number;
  log: Log;
  metrics: OperatorMetrics;
}

/** A controller with the caches it reads. */
export interface Controller {
  name: string;
  isReady(): boolean;
  /** Resolves when the caches are filled and passes have begun. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Every controller of the operator:
 *
 * | controller  | reconciles   | watches besides           | owns           |
 * |-------------|--------------|---------------------------|----------------|
 * | trainingjob | TrainingJobs | pods and services of them | pods, services |
 */
export function controllers(surroundings: Surroundings): Controller[] {
  return [trainingJobs(surroundings)];
}

const concurrency = 8;
/** Every job is looked at again now and then, in case something was missed. */
const resyncMs = 10 * 60_000;

function trainingJobs(surroundings: Surroundings): Controller {
  const { client, clock, random, log, metrics, workerImage } = surroundings;
  const name = 'trainingjob';
  const jobs = new Reflector<StoredJob>(watching(surroundings, jobResource));
  const ours = { labelSelector: `${managedBy.label}=${managedBy.value}`, indexOf: jobKeyOf };
  const pods = new Reflector<Pod>({ ...watching(surroundings, podResource), ...ours });
  const services = new Reflector<Service>({ ...watching(surroundings, serviceResource), ...ours });
  const reflectors = [jobs, pods, services];
  const reports = new ReportReader({ clock, onReport: (key) => runner.queue.add(key) });
  const failed = (key: string, error: unknown) => {
    // Another write came first: the next pass reads it. This is how optimistic locking is meant to go.
    if (isConflict(error)) log.debug({ job: key }, (error as Error).message);
    else log.warn({ job: key, err: error }, 'a pass failed and will be tried again');
  };
  const runner = new Runner({
    clock,
    concurrency,
    observer: metrics.observer(name, failed),
    reconcile: trainingJobController({
      caches: { jobs: jobs.store, pods: pods.store, services: services.store },
      reports,
      api: client,
      events: new EventRecorder({
        client,
        clock,
        component: 'hayate-operator',
        onError: (error) => log.warn({ err: error }, 'an event could not be written'),
      }),
      clock,
      settings: { workerImage },
      onTransition: (key, { type, reason, message }) =>
        log[type === 'Warning' ? 'warn' : 'info']({ job: key, reason }, message),
    }),
  });
  metrics.watchQueue(name, () => runner.queue.depth);
  jobs.onChange(({ object }) => runner.queue.add(keyOf(object)));
  const addOwner = ({ object }: { object: KubeObject }) => {
    const key = jobKeyOf(object);
    if (key !== undefined) runner.queue.add(key);
  };
  pods.onChange(addOwner);
  services.onChange(addOwner);
  let cancelResync = () => {};
  const resync = () => {
    for (const job of jobs.store.list()) runner.queue.add(keyOf(job));
    cancelResync = clock.after(resyncMs * (0.75 + random() / 2), resync);
  };
  return {
    name,
    isReady: () => reflectors.every((reflector) => reflector.synced),
    async start() {
      // Jobs first: a child listed before its job's status could look as if it had vanished since.
      for (const reflector of reflectors) {
        reflector.start();
        await reflector.waitForSync();
      }
      runner.start();
      resync();
    },
    async close() {
      cancelResync();
      reports.close();
      await Promise.all([runner.close(), ...reflectors.map((reflector) => reflector.close())]);
    },
  };
}

function jobKeyOf(object: KubeObject): string | undefined {
  const owner = controllerOf(object);
  return owner?.kind === 'TrainingJob' ? `${object.metadata.namespace ?? ''}/${owner.name}` : undefined;
}

function watching(surroundings: Surroundings, resource: Resource) {
  const { client, namespace, clock, random, log, metrics } = surroundings;
  return {
    client,
    namespace,
    clock,
    random,
    resource,
    onRound: (kind: 'list' | 'watch' | 'gone') => metrics.round(resource.plural, kind),
    onError: (error: unknown) => log.warn({ err: error }, 'a cache lost its watch and goes on with another'),
  };
}
