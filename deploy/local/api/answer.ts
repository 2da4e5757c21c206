import type { ServerResponse } from 'node:http';
import { StatusError } from './errors.ts';

/** Writes one JSON document. A warning goes into a header of its own, as kubectl prints them. */
export function sendJson(
  response: ServerResponse,
  code: number,
  body: object,
  options: { warnings?: readonly string[]; contentType?: string } = {},
): void {
  const warnings = (options.warnings ?? []).map(
    (text) => `299 - "${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`,
  );
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(code, {
    'Content-Type': options.contentType ?? 'application/json',
    'Content-Length': bytes.length,
    'Cache-Control': 'no-cache, private',
    ...(warnings.length === 0 ? {} : { Warning: warnings }),
  });
  response.end(bytes);
}

/** Writes plain text. */
export function sendText(response: ServerResponse, code: number, text: string): void {
  response.writeHead(code, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}

/** Writes an error; one that is no refusal of ours is a 500 and goes to `report`. */
export function sendError(
  response: ServerResponse,
  error: unknown,
  warnings: readonly string[],
  report: (error: unknown) => void,
): void {
  // The client has gone: there is nobody to answer.
  if (response.destroyed) return;
  let status = error;
  if (!(status instanceof StatusError)) {
    report(error);
    status = new StatusError(
      500,
      'InternalError',
      `Internal error occurred: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  if (response.headersSent) response.destroy();
  else sendJson(response, (status as StatusError).code, (status as StatusError).toStatus(), { warnings });
}
