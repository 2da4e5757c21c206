/** How a worker process tells the operator why it ended; the operator's restart policy reads nothing else first. */
export const exitCodes = {
  done: 0,
  configuration: 2,
  program: 3,
  peerLost: 10,
  exchangeTimeout: 11,
  outOfMemory: 12,
  memoryPlanInfeasible: 13,
  nonFinite: 14,
  engineMissing: 15,
  fenced: 16,
  storage: 17,
  deviceFailed: 18,
  terminated: 143,
} as const;

/** Class of an ended worker: a key of {@link exitCodes}, `killed` for a signal, `unknown` for any other code. */
export type FailureClass = keyof typeof exitCodes | 'killed' | 'unknown';

/**
 * Classifies a container's exit code. 128 + n is death by signal n, as a container runtime reports it;
 * 143 (SIGTERM) is a requested end.
 */
export function failureClass(exitCode: number): FailureClass {
  for (const [name, code] of Object.entries(exitCodes)) {
    if (code === exitCode) return name as keyof typeof exitCodes;
  }
  return exitCode > 128 ? 'killed' : 'unknown';
}

/** Classes for which a restart cannot help: the same input would fail the same way. */
export const permanentClasses: ReadonlySet<FailureClass> = new Set<FailureClass>([
  'configuration',
  'program',
  'memoryPlanInfeasible',
  'nonFinite',
  'engineMissing',
]);

/** One sentence a class, for conditions and events. */
export const classSentences: Readonly<Record<FailureClass, string>> = {
  done: 'finished',
  configuration: 'the configuration is wrong; correct the manifest and apply it again',
  program: 'the training program threw; its message names the line',
  peerLost: 'lost a peer; another rank failed first',
  exchangeTimeout: 'a gradient exchange did not finish in communication.timeoutSeconds',
  outOfMemory: 'ran out of device memory; lower globalBatchSize or use more workers',
  memoryPlanInfeasible: 'the memory plan does not fit its budget',
  nonFinite: 'the loss or a gradient became NaN or infinite; lower the learning rate or check the data',
  engineMissing: 'the compute engine, or the GPU that the job asks for, cannot be used on this worker',
  fenced: 'belongs to an attempt that is over',
  deviceFailed: 'failed in its engine in the middle of a step, as when a GPU is lost',
  storage: 'could not write to its directory; free disk space or change checkpoint.directory',
  terminated: 'was terminated on request',
  killed: 'was killed by a signal',
  unknown: 'ended with an unknown exit code',
};
