import { isIPv6 } from 'node:net';
import { telemetryPort, type WorkerReport, workerReport } from '@hayate/crds/worker-config.ts';
import type { Clock } from '../kube/clock.ts';
import type { ReportSource } from './plan.ts';

export interface ReportReaderOptions {
  clock: Clock;
  /** Called after every new report of a job. */
  onReport: (key: string) => void;
}

interface Followed {
  source: ReportSource | undefined;
  newest: WorkerReport | undefined;
  cancel: () => void;
}

const everyMs = 5000;
/** With many jobs each is asked less often: at most 200 requests a second, and every 15 s at the latest. */
const spreadMs = 5;
const slowestMs = 15_000;
const timeoutMs = 2000;
const maxBytes = 64 * 1024;

/**
 * Reads `GET /status` of rank 0 of running jobs. A report counts only if it names the job and the attempt that the
 * operator made that pod for. The newest one is kept until the job is forgotten, since a worker that has finished
 * answers no more.
 */
export class ReportReader {
  readonly #options: ReportReaderOptions;
  readonly #followed = new Map<string, Followed>();

  constructor(options: ReportReaderOptions) {
    this.#options = options;
  }

  newest(key: string): WorkerReport | undefined {
    return this.#followed.get(key)?.newest;
  }

  /** Asks `source` from now on; undefined = nobody answers now, but keep what was said last. */
  follow(key: string, source: ReportSource | undefined): void {
    const known = this.#followed.get(key);
    if (isSame(known?.source, source)) return;
    known?.cancel();
    const followed: Followed = { source, newest: known?.newest, cancel: () => undefined };
    this.#followed.set(key, followed);
    if (source !== undefined)
      followed.cancel = this.#options.clock.after(0, () => void this.#ask(key, followed, source));
  }

  forget(key: string): void {
    this.#followed.get(key)?.cancel();
    this.#followed.delete(key);
  }

  close(): void {
    for (const key of this.#followed.keys()) this.forget(key);
  }

  async #ask(key: string, followed: Followed, source: ReportSource): Promise<void> {
    const report = await readReport(source);
    if (this.#followed.get(key) !== followed) return;
    const delayMs = Math.min(slowestMs, Math.max(everyMs, this.#followed.size * spreadMs));
    followed.cancel = this.#options.clock.after(delayMs, () => void this.#ask(key, followed, source));
    if (report === undefined) return;
    followed.newest = report;
    this.#options.onReport(key);
  }
}

function isSame(left: ReportSource | undefined, right: ReportSource | undefined): boolean {
  return left?.uid === right?.uid && left?.attempt === right?.attempt && left?.address === right?.address;
}

/** One report, or undefined when nobody answers, or the answer is not a report of this job's attempt. */
async function readReport(source: ReportSource): Promise<WorkerReport | undefined> {
  const host = isIPv6(source.address) ? `[${source.address}]` : source.address;
  try {
    const answer = await fetch(`http://${host}:${telemetryPort}/status`, {
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'error',
    });
    const text = await readBounded(answer);
    return answer.ok && text !== undefined ? believe(JSON.parse(text), source) : undefined;
  } catch {
    // A worker that starts or ends does not answer; its pod tells the rest.
    return undefined;
  }
}

async function readBounded(answer: Response): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > maxBytes) return undefined;
  }
  return text;
}

/** The fence: a report of another job or another attempt, or one with an impossible step, is not this job's. */
export function believe(raw: unknown, source: Pick<ReportSource, 'uid' | 'attempt'>): WorkerReport | undefined {
  const { data } = workerReport.safeParse(raw);
  if (data === undefined || data.job.uid !== source.uid || data.job.attempt !== source.attempt) return undefined;
  return data.step >= 0 && data.step <= data.totalSteps ? data : undefined;
}
