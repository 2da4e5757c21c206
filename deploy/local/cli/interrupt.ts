/** Signals that arrive this close together are one Ctrl-C: a terminal, npm and our launcher each pass it on. */
const sameKeyMs = 500;

interface SignalSource {
  on(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): unknown;
}

/**
 * Aborts at the first Ctrl-C or termination request; a second one calls `endNow`.
 * @returns the signal that long work watches
 */
export function abortOnInterrupt(source: SignalSource, now: () => number, endNow: () => void): AbortController {
  const controller = new AbortController();
  let firstMs: number | undefined;
  const onSignal = () => {
    firstMs ??= now();
    controller.abort();
    if (now() - firstMs > sameKeyMs) endNow();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) source.on(signal, onSignal);
  return controller;
}
