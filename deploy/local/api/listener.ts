import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { admittedPath } from './access.ts';
import { notImplemented, StatusError } from './errors.ts';

/** The server could not start. */
class EmbeddedApiError extends Error {
  /** Code of the failed system call, for example EADDRINUSE. */
  readonly code: string;
  readonly retryable = false;

  constructor(code: string, message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'EmbeddedApiError';
    this.code = code;
  }
}

/** Listens on loopback and returns the port, a free one for 0. Rejects with one sentence and the code of the failure. */
export async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code ?? 'UNKNOWN';
      const sentence =
        code === 'EADDRINUSE'
          ? `port ${port} of 127.0.0.1 is in use: stop what listens there, or choose another port`
          : `the API server cannot listen on 127.0.0.1:${port}: ${error.message}`;
      reject(new EmbeddedApiError(code, sentence, error));
    });
    server.listen(port, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

/** The refusal of a verb that needs a terminal or a tunnel into a pod. */
export function notInteractive(verb: string): StatusError {
  return notImplemented(
    `${verb} is not served here: workers run as processes of this machine; use kubectl logs, or a shell on this machine`,
  );
}

/** exec, attach and port-forward ask for another protocol; they get a sentence. */
export function refuseUpgrade(request: IncomingMessage, socket: Duplex, secret: string, port: number): void {
  const refusal = upgradeRefusal(request, secret, port);
  const body = JSON.stringify(refusal.toStatus());
  const head = [
    `HTTP/1.1 ${refusal.code} ${refusal.reason}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.on('error', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function upgradeRefusal(request: IncomingMessage, secret: string, port: number): StatusError {
  try {
    const [path = '/'] = (request.url ?? '/').split('?', 1);
    const admitted = admittedPath(path, request.headers, secret, port);
    return notInteractive(admitted.slice(admitted.lastIndexOf('/') + 1));
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
}
