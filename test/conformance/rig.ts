import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { trainingJobDefinition } from '@hayate/crds/crd.ts';
import { apiVersion, resource, type TrainingJobStatus } from '@hayate/crds/trainingjob.ts';
import { type EmbeddedApi, kubeconfig, startEmbeddedApi } from '@hayate/local/api/server.ts';
import { KubeClient } from '@hayate/operator/kube/client.ts';
import { systemClock } from '@hayate/operator/kube/clock.ts';
import { type CoreEvent, eventResource, type Pod, podResource, type Service } from '@hayate/operator/kube/core.ts';
import { isConflict, isNotFound } from '@hayate/operator/kube/errors.ts';
import type { KubeObject } from '@hayate/operator/kube/object.ts';
import { Reflector } from '@hayate/operator/kube/reflector.ts';
import { startOperator } from '@hayate/operator/main.ts';

const jobResource = { group: resource.group, version: resource.version, plural: resource.plural };
const namespace = 'default';

/** A TrainingJob as a person writes it; every delay is short. */
export function manifest(name: string, spec: object = {}): KubeObject & { spec: object } {
  return {
    apiVersion,
    kind: resource.kind,
    metadata: { name, namespace },
    spec: {
      workers: { replicas: 2 },
      training: { program: { builtin: 'mnist' }, globalBatchSize: 12, steps: 3 },
      failurePolicy: { backoff: { initialSeconds: 0.05 } },
      ...spec,
    },
  };
}

type Job = KubeObject & { spec: object; status?: TrainingJobStatus };

/**
 * The embedded API, the real operator on it over HTTP, and a kubelet that a test plays by hand: pods start, end and
 * stop only when the test says so.
 */
export class Rig {
  readonly api: EmbeddedApi;
  readonly client: KubeClient;
  readonly kubeconfig: string;
  #operator: { close(): Promise<void> } | undefined;
  readonly #pods: Reflector<Pod>;
  readonly #jobs: Reflector<Job>;

  private constructor(api: EmbeddedApi) {
    this.api = api;
    this.kubeconfig = kubeconfig(api.url);
    this.client = new KubeClient({ kubeconfig: this.kubeconfig, clock: systemClock, random: Math.random });
    const options = {
      client: this.client,
      namespace,
      clock: systemClock,
      random: Math.random,
      onError: (error: unknown) => console.error(error),
    };
    this.#pods = new Reflector<Pod>({ ...options, resource: podResource });
    this.#jobs = new Reflector<Job>({ ...options, resource: jobResource });
  }

  static async start(): Promise<Rig> {
    const now = () => new Date(systemClock.nowMs());
    const rig = new Rig(await startEmbeddedApi({ crds: [trainingJobDefinition()], now, randomBytes }));
    for (const reflector of [rig.#pods, rig.#jobs]) {
      reflector.start();
      await reflector.waitForSync();
    }
    return rig;
  }

  async close(): Promise<void> {
    await this.stopOperator();
    await Promise.all([this.#pods.close(), this.#jobs.close()]);
    await this.client.close();
    await this.api.close();
  }

  /** Starts the operator, through another address when given one. */
  async startOperator(config = this.kubeconfig): Promise<void> {
    const log = { debug() {}, info() {}, warn() {} };
    this.#operator = await startOperator({ kubeconfig: config, workerImage: 'worker:1', log });
  }

  async stopOperator(): Promise<void> {
    await this.#operator?.close();
    this.#operator = undefined;
  }

  apply(job: KubeObject): Promise<KubeObject> {
    return this.client.create(jobResource, job);
  }

  /** Merges `spec` into a job's. */
  async edit(name: string, spec: object): Promise<void> {
    await this.client.mergePatch(jobResource, namespace, name, { spec });
  }

  async deleteJob(name: string): Promise<void> {
    await this.client.delete(jobResource, namespace, name, {
      uid: this.#jobs.store.get(`${namespace}/${name}`)!.metadata.uid!,
    });
  }

  status(name: string): TrainingJobStatus | undefined {
    return this.#jobs.store.get(`${namespace}/${name}`)?.status;
  }

  version(name: string): string | undefined {
    return this.#jobs.store.get(`${namespace}/${name}`)?.metadata.resourceVersion;
  }

  condition(name: string, type: string): string | undefined {
    const found = this.status(name)?.conditions?.find((condition) => condition.type === type);
    return found && `${found.status} ${found.reason}`;
  }

  pods(): Pod[] {
    return this.#pods.store.list();
  }

  podNames(): string[] {
    return this.pods()
      .map((pod) => pod.metadata.name)
      .sort();
  }

  async list<T extends KubeObject>(plural: string): Promise<T[]> {
    const options = { namespace };
    return (await this.client.list<T>({ group: '', version: 'v1', plural }, options)).items;
  }

  services(): Promise<Service[]> {
    return this.list<Service>('services');
  }

  /** Reasons of the events of one job, in order. */
  async eventReasons(name: string): Promise<string[]> {
    const events = (await this.client.list<CoreEvent>(eventResource, { namespace })).items;
    return events
      .filter((event) => event.involvedObject.name === name)
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
      .map((event) => event.reason);
  }

  /** The kubelet takes the pod and its worker reports ready. */
  async run(name: string): Promise<void> {
    const target = { apiVersion: 'v1', kind: 'Node', name: 'here' };
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { namespace, name }, target };
    await this.client.bind(podResource, binding);
    await this.#write(name, 'Running', { ready: true, state: { running: { startedAt: new Date().toISOString() } } });
  }

  /** The worker ended. */
  end(name: string, exitCode: number, message?: string): Promise<void> {
    const finishedAt = new Date().toISOString().replace(/\.\d+Z/, 'Z');
    const terminated = { exitCode, finishedAt, ...(message === undefined ? {} : { message }) };
    return this.#write(name, exitCode === 0 ? 'Succeeded' : 'Failed', { ready: false, state: { terminated } });
  }

  async #write(name: string, phase: string, container: object): Promise<void> {
    const containerStatuses = [{ name: 'worker', image: 'worker:1', imageID: '', restartCount: 0, ...container }];
    const status = { phase, podIP: '127.66.0.9', containerStatuses };
    await this.client.patchStatus(podResource, namespace, name, { status });
  }

  /** Terminating pods stop, as their kubelet would make them after the grace period. */
  async finishTerminating(): Promise<void> {
    for (const pod of this.pods()) {
      if (pod.metadata.deletionTimestamp !== undefined) await this.stop(pod);
    }
  }

  async stop({ metadata }: KubeObject): Promise<void> {
    try {
      await this.client.delete(podResource, namespace, metadata.name, {
        uid: metadata.uid ?? '',
        gracePeriodSeconds: 0,
      });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  async until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await holds())) {
      if (performance.now() > deadline) {
        const jobs = this.#jobs.store.list().map((job) => job.status);
        assert.fail(`never came: ${what}; pods ${this.podNames().join()}; ${JSON.stringify(jobs)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  untilPhase(name: string, phase: string): Promise<void> {
    return this.until(`${name} is ${phase}`, () => this.status(name)?.phase === phase);
  }

  async untilPods(...names: string[]): Promise<void> {
    await this.until(`pods ${names.join()}`, () => this.podNames().join() === names.join());
  }

  /** Starts the pods of a job and waits until it is Running. */
  async runAll(name: string, ...pods: string[]): Promise<void> {
    await this.untilPods(...pods);
    for (const pod of pods) await this.run(pod);
    await this.untilPhase(name, 'Running');
  }
}
