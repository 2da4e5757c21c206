/** One cause in the details of a Status: which field, why. */
export interface StatusCause {
  reason: string;
  message: string;
  field: string;
}

/** The resource an error speaks of; `kind` is used where the real server names the kind instead of the plural. */
export interface ResourceName {
  group: string;
  plural: string;
  kind: string;
}

interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** A refusal that goes to the client as `kind: Status`, in the words of a real API server. */
export class StatusError extends Error {
  /** HTTP status code. */
  readonly code: number;
  /** Machine-readable reason, for example NotFound. */
  readonly reason: string;
  readonly details: StatusDetails | undefined;
  /** True if the same request may succeed later. */
  readonly retryable: boolean;
  /** Set on an expired continue token: where a client may go on, without one version for all pages. */
  readonly continueToken: string | undefined;

  constructor(code: number, reason: string, message: string, details?: StatusDetails, continueToken?: string) {
    super(message);
    this.name = 'StatusError';
    this.code = code;
    this.reason = reason;
    this.details = details;
    this.retryable = code === 409 || code === 429 || code >= 500;
    this.continueToken = continueToken;
  }

  /** The body of the answer. */
  toStatus(): object {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: this.continueToken === undefined ? {} : { continue: this.continueToken },
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

/** `trainingjobs.hayate.dev`, or `pods` in the core group. */
export function qualifiedResource(resource: ResourceName): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

function details(resource: ResourceName, name: string): StatusDetails {
  return { name, ...(resource.group === '' ? {} : { group: resource.group }), kind: resource.plural };
}

/** 404: no such object. */
export function notFound(resource: ResourceName, name: string): StatusError {
  return new StatusError(
    404,
    'NotFound',
    `${qualifiedResource(resource)} "${name}" not found`,
    details(resource, name),
  );
}

/** 404: no such path. */
export function noSuchPath(): StatusError {
  return new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});
}

/** 409: the name is taken. */
export function alreadyExists(resource: ResourceName, name: string): StatusError {
  const message = `${qualifiedResource(resource)} "${name}" already exists`;
  return new StatusError(409, 'AlreadyExists', message, details(resource, name));
}

/** 409: the object is not the one the client has seen. */
export function conflict(resource: ResourceName, name: string, why?: string): StatusError {
  const because = why ?? 'the object has been modified; please apply your changes to the latest version and try again';
  const message = `Operation cannot be fulfilled on ${qualifiedResource(resource)} "${name}": ${because}`;
  return new StatusError(409, 'Conflict', message, details(resource, name));
}

/** 409 of a server-side apply: fields that others own. `owner` is the manager as a person reads it, quoted. */
export function applyConflict(conflicts: readonly { owner: string; field: string }[]): StatusError {
  const owners = [...new Set(conflicts.map((c) => c.owner))].sort();
  const lines = owners.flatMap((owner) => [
    `conflicts with ${owner}:`,
    ...conflicts.filter((c) => c.owner === owner).map((c) => `- ${c.field}`),
  ]);
  const [first] = conflicts;
  const message =
    conflicts.length === 1
      ? `Apply failed with 1 conflict: conflict with ${first?.owner}: ${first?.field}`
      : `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
  const causes = conflicts.map(({ owner, field }) => {
    return { reason: 'FieldManagerConflict', message: `conflict with ${owner}`, field };
  });
  return new StatusError(409, 'Conflict', message, { causes });
}

/** 422: values that the schema or the server's own rules refuse; all of them at once. */
export function invalid(resource: ResourceName, name: string, causes: readonly StatusCause[]): StatusError {
  const kind = resource.group === '' ? resource.kind : `${resource.kind}.${resource.group}`;
  const texts = causes.map((cause) => `${cause.field}: ${cause.message}`);
  const text = texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
  return new StatusError(422, 'Invalid', `${kind} "${name}" is invalid: ${text}`, {
    name,
    ...(resource.group === '' ? {} : { group: resource.group }),
    kind: resource.kind,
    causes: [...causes],
  });
}

/** 400: the request makes no sense as it is. */
export function badRequest(message: string): StatusError {
  return new StatusError(400, 'BadRequest', message);
}

/** 403: understood and refused. */
export function forbidden(message: string, details?: StatusDetails): StatusError {
  return new StatusError(403, 'Forbidden', message, details);
}

/** 405: the resource exists, the verb does not. */
export function methodNotAllowed(): StatusError {
  return new StatusError(
    405,
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
    {},
  );
}

/** 410: the event log no longer reaches back to this version. */
export function expired(version: number, oldest: number): StatusError {
  return new StatusError(410, 'Expired', `too old resource version: ${version} (${oldest})`);
}

/** 415: a body that this server does not read here. */
export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`;
  return new StatusError(415, 'UnsupportedMediaType', message);
}

/** 501: a part of Kubernetes that this server leaves out. */
export function notImplemented(message: string): StatusError {
  return new StatusError(501, 'NotImplemented', message);
}
