import { setTimeout as sleep } from 'node:timers/promises';
import type { Container } from './pod.ts';

/** Until a pod is ready for the first time it is asked this often, whatever its period: nobody likes to wait. */
const impatientMs = 500;

/**
 * Asks a container's readinessProbe until `signal` aborts and calls `onChange` at each turn. Without an httpGet probe
 * a running container is ready.
 */
export async function watchReadiness(
  container: Container,
  ip: string,
  signal: AbortSignal,
  onChange: (ready: boolean) => void,
): Promise<void> {
  const probe = container.readinessProbe;
  const target = probe?.httpGet;
  if (probe === undefined || target === undefined) {
    onChange(true);
    return;
  }
  const port =
    typeof target.port === 'number' ? target.port : container.ports?.find((p) => p.name === target.port)?.containerPort;
  const url = `http://${ip}:${port}${target.path ?? '/'}`;
  const periodMs = (probe.periodSeconds ?? 10) * 1000;
  let ready = false;
  let failures = 0;
  await pause((probe.initialDelaySeconds ?? 0) * 1000, signal);
  while (!signal.aborted) {
    const answered = await answers(url, (probe.timeoutSeconds ?? 1) * 1000);
    failures = answered ? 0 : failures + 1;
    const next: boolean = answered || (ready && failures < (probe.failureThreshold ?? 3));
    if (next !== ready && !signal.aborted) onChange(next);
    ready = next;
    await pause(ready ? periodMs : Math.min(periodMs, impatientMs), signal);
  }
}

async function answers(url: string, timeoutMs: number): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'manual' });
    await response.body?.cancel();
    return response.status >= 200 && response.status < 400;
  } catch {
    return false;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
