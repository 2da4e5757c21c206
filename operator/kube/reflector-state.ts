/** Where a reflector stands; `resourceVersion` is the last one seen, from which a watch can go on. */
export type ReflectorState =
  | { kind: 'Empty' }
  | { kind: 'Listing'; failures: number }
  | { kind: 'Watching'; resourceVersion: string; failures: number }
  | { kind: 'Backoff'; resourceVersion: string | undefined; failures: number; delayMs: number }
  | { kind: 'Closed' };

export type ReflectorInput =
  | { kind: 'started' }
  | { kind: 'listed'; resourceVersion: string }
  | { kind: 'advanced'; resourceVersion: string }
  /** The server ended the watch without an error. */
  | { kind: 'ended'; watchedMs: number }
  /** `relist`: what was missed cannot be watched again (410, or a line that could not be read). */
  | { kind: 'failed'; relist: boolean; retryAfterMs: number | undefined }
  | { kind: 'waited' }
  | { kind: 'closed' };

const firstDelayMs = 200;
const maxDelayMs = 30_000;
/** A server that ends watches faster than this would otherwise be asked in a tight loop. */
const instantEndMs = 1000;

/** The one transition function of a reflector; pure. Delays are without jitter. */
export function nextState(state: ReflectorState, input: ReflectorInput): ReflectorState {
  if (state.kind === 'Closed' || input.kind === 'closed') return { kind: 'Closed' };
  switch (input.kind) {
    case 'started':
      return { kind: 'Listing', failures: 0 };
    case 'listed':
      return { kind: 'Watching', resourceVersion: input.resourceVersion, failures: failuresOf(state) };
    case 'advanced':
      return { kind: 'Watching', resourceVersion: input.resourceVersion, failures: 0 };
    case 'ended': {
      const resourceVersion = versionOf(state);
      if (resourceVersion === undefined) return { kind: 'Listing', failures: failuresOf(state) };
      if (input.watchedMs >= instantEndMs) return { kind: 'Watching', resourceVersion, failures: 0 };
      return backoff(failuresOf(state) + 1, resourceVersion, undefined);
    }
    case 'failed': {
      const failures = failuresOf(state) + 1;
      // The first 410 of a row is ordinary ageing: list again at once.
      if (input.relist && failures === 1) return { kind: 'Listing', failures };
      return backoff(failures, input.relist ? undefined : versionOf(state), input.retryAfterMs);
    }
    case 'waited': {
      const resourceVersion = versionOf(state);
      const failures = failuresOf(state);
      return resourceVersion === undefined
        ? { kind: 'Listing', failures }
        : { kind: 'Watching', resourceVersion, failures };
    }
    default:
      return unreachable(input);
  }
}

function backoff(failures: number, resourceVersion: string | undefined, retryAfterMs: number | undefined) {
  const delayMs = retryAfterMs ?? Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(failures - 1, 10));
  return { kind: 'Backoff', resourceVersion, failures, delayMs } as const;
}

function failuresOf(state: ReflectorState): number {
  return state.kind === 'Empty' || state.kind === 'Closed' ? 0 : state.failures;
}

function versionOf(state: ReflectorState): string | undefined {
  return state.kind === 'Watching' || state.kind === 'Backoff' ? state.resourceVersion : undefined;
}

function unreachable(input: never): never {
  throw new Error(`unknown reflector input ${JSON.stringify(input)}`);
}
