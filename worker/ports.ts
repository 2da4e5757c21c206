/** A port that this worker must have belongs to another program; the sentence names port, address and setting. */
export class PortInUseError extends Error {
  override readonly name = 'PortInUseError';
  readonly code = 'portInUse';
  readonly retryable = false;
}

/**
 * The sentence for a port that cannot be listened on.
 * @param setting what the person can change instead
 */
export function portInUse(host: string, port: number, setting: string, cause: unknown): PortInUseError {
  const taken = /EADDRINUSE|in use/.test(String(cause));
  const why = taken ? 'is in use by another program' : `cannot be opened (${String(cause)})`;
  return new PortInUseError(`port ${port} on ${host} ${why}; ${setting}`, { cause });
}
