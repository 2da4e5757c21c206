import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { forbidden, StatusError } from './errors.ts';

/**
 * The path below the secret prefix. The server listens on loopback only, but so does every page of a browser on this
 * machine: the secret keeps out other users, the checks of Host and Origin keep out pages (DNS rebinding included).
 * Throws 401 and 403.
 */
export function admittedPath(path: string, headers: IncomingHttpHeaders, secret: string, port: number): string {
  if (headers.origin !== undefined) throw forbidden('requests of web pages (with an Origin header) are not served');
  if (!['127.0.0.1', 'localhost'].some((name) => headers.host === `${name}:${port}`)) {
    throw forbidden(`requests for another host are not served: use http://127.0.0.1:${port}`);
  }
  const end = path.indexOf('/', 1);
  const given = Buffer.from(end < 0 ? path.slice(1) : path.slice(1, end));
  const wanted = Buffer.from(secret);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    throw new StatusError(401, 'Unauthorized', 'Unauthorized');
  }
  return end < 0 ? '/' : path.slice(end);
}
