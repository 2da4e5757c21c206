import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  configVariable,
  encodeWorkerConfig,
  type FinalReport,
  finalReport,
  type TerminationMessage,
  terminationMessage,
  type WorkerConfig,
} from '@hayate/crds/worker-config.ts';

const main = path.resolve(import.meta.dirname, '../../worker/main.ts');

/** Program for tests, see programs/small.ts. */
export const small = { module: path.resolve(import.meta.dirname, 'programs/small.ts') };

/** A program whose step the wasm engine has no room for; its batch is 4096. */
export const large = { module: path.resolve(import.meta.dirname, 'programs/large.ts') };

export interface GroupSetting {
  worldSize?: number;
  attempt?: number;
  jobUid?: string;
  steps?: number;
  everySteps?: number;
  program?: WorkerConfig['training']['program'];
  parameters?: Record<string, unknown>;
  globalBatchSize?: number;
  algorithm?: WorkerConfig['communication']['algorithm'];
  timeoutSeconds?: number;
  startupSeconds?: number;
  checkpointDirectory?: string;
  device?: WorkerConfig['device'];
  precision?: WorkerConfig['training']['precision'];
  env?: Record<string, string>;
}

/** How a worker process ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Monotonic milliseconds at which it ended. */
  atMs: number;
  termination: TerminationMessage | undefined;
}

/** One worker process, run as a process kubelet runs it. */
export class WorkerProcess {
  readonly rank: number;
  readonly host: string;
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #output = '';
  #heard: (() => void)[] = [];

  constructor(rank: number, host: string, directory: string, env: Record<string, string>) {
    this.rank = rank;
    this.host = host;
    const log = path.join(directory, `termination-${rank}`);
    writeFileSync(log, '');
    this.#child = spawn(process.execPath, [main], {
      cwd: directory,
      env: { PATH: process.env['PATH'] ?? '', HAYATE_TERMINATION_LOG: log, HAYATE_POD_IP: host, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const hear = (text: Buffer) => {
      this.#output += text.toString();
      for (const check of this.#heard) check();
    };
    this.#child.stdout?.on('data', hear);
    this.#child.stderr?.on('data', hear);
    this.#child.stdin?.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => {
        const text = readFileSync(log, 'utf8');
        const termination = text === '' ? undefined : terminationMessage.parse(JSON.parse(text));
        resolve({ code, signal, atMs: performance.now(), termination });
      });
    });
  }

  get output(): string {
    return this.#output;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** As when the kubelet dies. */
  closeStdin(): void {
    this.#child.stdin?.end();
  }

  /** Resolves when the output matches; rejects with the output if the process ends before. */
  async says(pattern: RegExp): Promise<void> {
    const said = new Promise<void>((resolve) => {
      const check = () => {
        if (pattern.test(this.#output)) resolve();
      };
      this.#heard.push(check);
      check();
    });
    const ended = this.ended.then((end) => {
      if (pattern.test(this.#output)) return;
      throw new Error(
        `rank ${this.rank} ended (${end.code ?? end.signal}) and never said ${pattern}:\n${this.#output}`,
      );
    });
    await Promise.race([said, ended]);
  }

  async get(page: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://${this.host}:9464${page}`);
    return { status: response.status, text: await response.text() };
  }
}

let nets = 0;

/** Processes and directories of one test; close() leaves nothing behind. */
export class WorkerRig {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'hayate-worker-'));
  readonly #net = `127.${90 + (process.pid % 100)}.${(nets += 1)}`;
  readonly #workers: WorkerProcess[] = [];
  #hosts = 10;

  /** Starts the ranks of one attempt, on addresses of their own. */
  start(setting: GroupSetting = {}, ranks = range(setting.worldSize ?? 3)): WorkerProcess[] {
    const config = this.config(setting);
    const hosts = config.peers.map((_, rank) => `${this.#net}.${this.#hosts + rank}`);
    this.#hosts += config.worldSize;
    const hostsFile = path.join(this.directory, `hosts-${config.job.attempt}.json`);
    const names = config.peers.map((peer, rank) => [peer.split(':')[0], hosts[rank]]);
    writeFileSync(hostsFile, JSON.stringify(Object.fromEntries(names)));
    const env = { HAYATE_HOSTS_FILE: hostsFile, ...setting.env };
    return ranks.map((rank) => this.startOne(config, rank, hosts[rank] ?? '', env));
  }

  startOne(config: WorkerConfig, rank: number, host: string, env: Record<string, string>): WorkerProcess {
    const document = encodeWorkerConfig({ ...config, rank });
    const worker = new WorkerProcess(rank, host, this.directory, { [configVariable]: document, ...env });
    this.#workers.push(worker);
    return worker;
  }

  config(setting: GroupSetting): WorkerConfig {
    const { worldSize = 3, attempt = 1, jobUid = 'uid-1', steps = 20, everySteps = 100 } = setting;
    const { program = small, parameters = {}, globalBatchSize = 4 * worldSize, algorithm = 'Auto' } = setting;
    const { timeoutSeconds = 30, startupSeconds = 60, checkpointDirectory = 'checkpoints' } = setting;
    const { device = 'cpu', precision = 'Float32' } = setting;
    return {
      job: { uid: jobUid, namespace: 'default', name: 'job', attempt },
      rank: 0,
      worldSize,
      peers: range(worldSize).map((rank) => `job-w${rank}.job.default.svc:29600`),
      device,
      training: { program, parameters, globalBatchSize, steps, seed: 42, precision },
      communication: { order: 'Priority', algorithm, port: 29_600, timeoutSeconds },
      memory: { recycling: true },
      checkpoint: { everySteps, keep: 2, directory: checkpointDirectory },
      startupSeconds,
    };
  }

  /** Starts a process with a configuration that need not be one. */
  startRaw(env: Record<string, string>): WorkerProcess {
    const worker = new WorkerProcess(0, `${this.#net}.${(this.#hosts += 1)}`, this.directory, env);
    this.#workers.push(worker);
    return worker;
  }

  /** What the ranks left when they had finished. */
  reports(worldSize: number): FinalReport[] {
    return range(worldSize).map((rank) =>
      finalReport.parse(JSON.parse(readFileSync(path.join(this.directory, 'reports', `${rank}.json`), 'utf8'))),
    );
  }

  forgetReports(): void {
    rmSync(path.join(this.directory, 'reports'), { recursive: true, force: true });
    mkdirSync(path.join(this.directory, 'reports'));
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) worker.signal('SIGKILL');
    await Promise.all(this.#workers.map(({ ended }) => ended));
    rmSync(this.directory, { recursive: true });
  }
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
