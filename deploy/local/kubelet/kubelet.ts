import { mkdirSync } from 'node:fs';
import type { AddressBlock } from './addresses.ts';
import { grantGpus } from './gpus.ts';
import { endLeftovers, ProcessGuard } from './guard.ts';
import { HostsFile, hostName } from './hosts.ts';
import { diskProblem } from './logs.ts';
import { type Pod, podKey } from './pod.ts';
import {
  moveAside,
  ownerOf,
  type PodHost,
  removePodDirectory,
  startError,
  startPod,
  terminationMessage,
  workDirectory,
} from './pod-process.ts';
import type { Ended, RunningChild } from './process.ts';
import { watchReadiness } from './readiness.ts';
import { type PodStatus, podStatus, unscheduledStatus } from './status.ts';
import { type Action, type ProcessState, planSync } from './sync.ts';

/** What the kubelet asks of the Kubernetes API. Calls about a pod that is gone do nothing. */
export interface PodApi {
  /** Reports every pod of every namespace, now and at each change, until stopped. */
  watch(onPod: (pod: Pod) => void, onGone: (pod: Pod) => void): Promise<{ stop(): Promise<void> }>;
  bind(pod: Pod, nodeName: string): Promise<void>;
  writeStatus(pod: Pod, status: PodStatus): Promise<void>;
  /** DELETE with grace 0, only if the pod still has this uid. */
  remove(pod: Pod): Promise<void>;
}

export interface Kubelet {
  /** Whether the process of the pod with this uid runs: its log may still grow. */
  isRunning(uid: string): boolean;
  /** Ends every process (SIGTERM, then SIGKILL after `graceMs`) and stops; the API is not written to any more. */
  close(graceMs: number): Promise<void>;
}

interface PodRecord {
  /** As the API had it last. */
  pod: Pod;
  gone: boolean;
  process: ProcessState;
  child?: RunningChild;
  status?: PodStatus;
  written: string;
  probe: AbortController;
  timer?: NodeJS.Timeout;
  busy: boolean;
  dirty: boolean;
}

const longestTimerMs = 2 ** 31 - 1;
/** A refused or failed API call is tried again after this time. */
const retryMs = 1000;

/** Runs the pods of one cluster as processes of this machine; see {@link planSync} for what it decides. */
export async function startKubelet(api: PodApi, addresses: AddressBlock, host: PodHost): Promise<Kubelet> {
  endLeftovers(host.directory.pids, host.directory.hostsFile);
  mkdirSync(host.directory.logs, { recursive: true });
  const kubelet = new PodRunner(api, addresses, host);
  const watch = await api.watch(
    (pod) => kubelet.observe(pod),
    (pod) => kubelet.lose(pod),
  );
  return {
    isRunning: (uid) => kubelet.isRunning(uid),
    close: async (graceMs) => {
      await watch.stop();
      await kubelet.close(graceMs);
    },
  };
}

class PodRunner {
  readonly #api: PodApi;
  readonly #addresses: AddressBlock;
  readonly #host: PodHost;
  readonly #hosts: HostsFile;
  readonly #guard: ProcessGuard;
  /** By uid: a pod made anew under the same name is another one. */
  readonly #records = new Map<string, PodRecord>();
  readonly #workOwners = new Map<string, string>();
  /** By uid of the pod, from its start until its process has ended. */
  readonly #gpus = new Map<string, readonly string[]>();
  #closing = false;

  constructor(api: PodApi, addresses: AddressBlock, host: PodHost) {
    this.#api = api;
    this.#addresses = addresses;
    this.#host = host;
    this.#hosts = new HostsFile(host.directory.hostsFile);
    this.#guard = new ProcessGuard(host.directory.pids);
  }

  observe(pod: Pod): void {
    const record = this.#records.get(pod.metadata.uid) ?? {
      pod,
      gone: false,
      process: { kind: 'none' },
      written: '',
      probe: new AbortController(),
      busy: false,
      dirty: false,
    };
    record.pod = pod;
    this.#records.set(pod.metadata.uid, record);
    this.#poke(record);
  }

  lose(pod: Pod): void {
    const record = this.#records.get(pod.metadata.uid);
    if (record === undefined) return;
    record.gone = true;
    this.#poke(record);
  }

  isRunning(uid: string): boolean {
    return this.#records.get(uid)?.process.kind === 'running';
  }

  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    const ends: Promise<unknown>[] = [];
    for (const record of this.#records.values()) {
      clearTimeout(record.timer);
      record.probe.abort();
      record.child?.signal('SIGTERM');
      if (record.child !== undefined) ends.push(record.child.ended);
    }
    const kill = setTimeout(() => {
      for (const record of this.#records.values()) record.child?.signal('SIGKILL');
    }, graceMs);
    await Promise.all(ends);
    clearTimeout(kill);
    await this.#guard.close();
    await this.#addresses.close();
  }

  /** One pass at a time for a pod; a change during a pass makes another one. */
  #poke(record: PodRecord): void {
    record.dirty = true;
    if (record.busy) return;
    record.busy = true;
    void this.#settle(record).finally(() => {
      record.busy = false;
    });
  }

  async #settle(record: PodRecord): Promise<void> {
    while (record.dirty && !this.#closing) {
      record.dirty = false;
      clearTimeout(record.timer);
      const pod = record.gone ? undefined : record.pod;
      const grant = grantGpus(record.pod, this.#host.gpus, this.#gpus);
      const plan = planSync(pod, record.process, this.#host.nodeName, this.#host.now(), grant);
      try {
        // Nothing comes between the grant and its taking: #start takes before it waits for anything.
        for (const action of plan.actions) await this.#execute(record, action, grant.ok ? grant.gpus : []);
        if (plan.wakeInMs !== undefined) this.#wake(record, plan.wakeInMs);
      } catch (error) {
        if (this.#closing) return;
        this.#host.onProblem(`pod ${podKey(record.pod)}: ${(error as Error).message}`);
        this.#wake(record, retryMs);
      }
    }
  }

  #wake(record: PodRecord, inMs: number): void {
    record.timer = setTimeout(() => this.#poke(record), Math.min(inMs, longestTimerMs));
  }

  async #execute(record: PodRecord, action: Action, gpus: readonly string[]): Promise<void> {
    switch (action.kind) {
      case 'start':
        return this.#start(record, gpus);
      case 'wait':
        return this.#write(record, unscheduledStatus(action.message, record.status, this.#host.now()));
      case 'terminate':
        if (record.process.kind !== 'running') return;
        if (record.process.stopping === undefined) record.child?.signal('SIGTERM');
        record.process = { ...record.process, stopping: action };
        return this.#report(record);
      case 'kill':
        if (record.process.kind !== 'running') return;
        record.child?.signal('SIGKILL');
        record.process = { ...record.process, killed: true };
        return;
      case 'report':
        return this.#report(record);
      case 'finalize':
        return this.#api.remove(record.pod);
      case 'forget':
        return this.#forget(record);
      default:
        return assertNever(action);
    }
  }

  async #start(record: PodRecord, gpus: readonly string[]): Promise<void> {
    const { pod } = record;
    if (gpus.length > 0) this.#gpus.set(pod.metadata.uid, gpus);
    if ((pod.spec.nodeName ?? '') === '') await this.#api.bind(pod, this.#host.nodeName);
    if (record.gone || this.#closing) return;
    const ip = this.#addresses.allocate();
    const startedMs = this.#host.now();
    const started = this.#prepare(pod, ip) ?? (await startPod(pod, ip, gpus, this.#host));
    if ('exitCode' in started) {
      this.#finish(record, ip, startedMs, started);
      return;
    }
    const unguarded = this.#protect(started, pod);
    if (unguarded !== undefined) {
      started.signal('SIGKILL');
      await started.ended;
      this.#finish(record, ip, startedMs, unguarded);
      return;
    }
    record.child = started;
    record.process = { kind: 'running', pid: started.pid, ip, startedMs, ready: false };
    // A stop that began while the process was being started did not know it.
    if (this.#closing) started.signal('SIGKILL');
    void started.ended.then((ended) => {
      this.#guard.remove(started.pid);
      this.#finish(record, ip, startedMs, ended);
    });
    const container = pod.spec.containers[0];
    if (container === undefined) return;
    void watchReadiness(container, ip, record.probe.signal, (ready) => {
      if (record.process.kind !== 'running') return;
      record.process = { ...record.process, ready };
      this.#poke(record);
    });
  }

  /** Gives the pod its name and its directory; answers why that failed. */
  #prepare(pod: Pod, ip: string): Ended | undefined {
    const name = hostName(pod);
    try {
      if (name !== undefined) this.#hosts.set(name, ip);
      this.#claimWorkDirectory(pod);
      return undefined;
    } catch (error) {
      const cause = error as NodeJS.ErrnoException;
      return startError(diskProblem(cause.path ?? this.#host.directory.hostsFile, cause));
    }
  }

  /** A process that could outlive us must not run; answers why it could. */
  #protect(child: RunningChild, pod: Pod): Ended | undefined {
    try {
      this.#guard.add(child.pid, podKey(pod));
      return undefined;
    } catch (error) {
      return startError(diskProblem(this.#host.directory.pids, error as NodeJS.ErrnoException));
    }
  }

  #finish(record: PodRecord, ip: string, startedMs: number, ended: Ended): void {
    record.probe.abort();
    delete record.child;
    record.process = {
      kind: 'ended',
      ip,
      startedMs,
      finishedMs: this.#host.now(),
      exitCode: ended.exitCode,
      reason: ended.reason,
      message: terminationMessage(this.#host.directory, record.pod, ended),
    };
    this.#releaseGpus(record);
    this.#poke(record);
  }

  /** Lets whoever waits for GPUs look again, those that came first first. */
  #releaseGpus({ pod }: PodRecord): void {
    if (!this.#gpus.delete(pod.metadata.uid)) return;
    for (const record of this.#records.values()) if (record.process.kind === 'none') this.#poke(record);
  }

  /** Attempts of one job share their directory; a later job of the same name starts with an empty one. */
  #claimWorkDirectory(pod: Pod): void {
    const path = workDirectory(this.#host.directory, pod);
    const owner = ownerOf(pod);
    if (this.#workOwners.get(path) !== owner) moveAside(path);
    this.#workOwners.set(path, owner);
  }

  async #report(record: PodRecord): Promise<void> {
    if (record.gone) return;
    await this.#write(record, podStatus(record.pod, record.process, record.status, this.#host.now()));
  }

  async #write(record: PodRecord, status: PodStatus): Promise<void> {
    record.status = status;
    const text = JSON.stringify(status);
    if (text === record.written) return;
    await this.#api.writeStatus(record.pod, status);
    record.written = text;
  }

  #forget(record: PodRecord): void {
    clearTimeout(record.timer);
    const ip = record.process.kind === 'none' ? undefined : record.process.ip;
    const name = hostName(record.pod);
    if (ip !== undefined) {
      this.#addresses.release(ip);
      if (name !== undefined) this.#hosts.remove(name, ip);
    }
    removePodDirectory(this.#host.directory, record.pod);
    this.#records.delete(record.pod.metadata.uid);
    this.#releaseGpus(record);
  }
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
