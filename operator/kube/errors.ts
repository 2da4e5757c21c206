/** One detail of a refused request: the field and what is wrong with it. */
export interface Cause {
  reason?: string;
  message?: string;
  field?: string;
}

interface Status {
  message?: string;
  reason?: string;
  details?: { causes?: Cause[]; retryAfterSeconds?: number };
}

const transientCodes: ReadonlySet<number> = new Set([0, 408, 409, 410, 429, 500, 502, 503, 504]);

/**
 * A request that the API server refused or that never reached it.
 * `code` is the HTTP status, 0 when there was no answer; `reason` is the server's word for it (`AlreadyExists`),
 * or `Timeout` or `Unreachable`. `retryable`: the same request may succeed later without anybody changing anything.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: number;
  readonly reason: string;
  readonly causes: readonly Cause[];
  readonly retryAfterMs: number | undefined;

  constructor(
    code: number,
    reason: string,
    message: string,
    details: { causes?: readonly Cause[]; retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.reason = reason;
    this.causes = details.causes ?? [];
    this.retryAfterMs = details.retryAfterMs;
  }

  get retryable(): boolean {
    return transientCodes.has(this.code) && this.reason !== 'AlreadyExists';
  }
}

/** Error of an answer that is not 2xx; the body is a Status, or text when something before the server answered. */
export function errorFromAnswer(code: number, body: string, retryAfter: string | undefined, request: string): ApiError {
  let status: Status = {};
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null) status = parsed;
  } catch {
    status = { message: body.slice(0, 200).trim() };
  }
  const seconds = status.details?.retryAfterSeconds ?? Number(retryAfter);
  return new ApiError(code, status.reason ?? '', `${request}: ${status.message || `HTTP ${code}`}`, {
    causes: status.details?.causes ?? [],
    retryAfterMs: seconds > 0 ? seconds * 1000 : undefined,
  });
}

const hasReason = (error: unknown, code: number, reasons: readonly string[]): boolean =>
  error instanceof ApiError && error.code === code && (reasons.includes(error.reason) || error.reason === '');

export const isNotFound = (error: unknown): boolean => error instanceof ApiError && error.code === 404;
export const isConflict = (error: unknown): boolean => hasReason(error, 409, ['Conflict']);
export const isAlreadyExists = (error: unknown): boolean => hasReason(error, 409, ['AlreadyExists']);
/** The server no longer remembers the resource version that was asked for. */
export const isGone = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === 410 || error.reason === 'Expired' || error.reason === 'Gone');
