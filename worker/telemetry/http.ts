import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { WorkerReport } from '@hayate/crds/worker-config.ts';
import { portInUse } from '../ports.ts';

export interface TelemetryOptions {
  host: string;
  port: number;
  metrics: () => Promise<{ contentType: string; text: string }>;
  /** Training has started. */
  ready: () => boolean;
  /** Rank 0 alone serves /status. */
  status: (() => WorkerReport) | undefined;
}

export interface TelemetryServer {
  port: number;
  close: () => Promise<void>;
}

/** Serves /metrics, /healthz, /readyz and /status, read-only. Throws PortInUseError. */
export async function serveTelemetry(options: TelemetryOptions): Promise<TelemetryServer> {
  const server = createServer({ maxHeaderSize: 8192, requestTimeout: 5000 }, (request, response) => {
    answer(options, request, response).catch(() => response.destroy());
  });
  server.maxConnections = 64;
  await listen(server, options);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, { host, port }: TelemetryOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(portInUse(host, port, 'telemetry needs it: end the other program or use another address', cause));
    });
    server.listen(port, host, () => resolve());
  });
}

async function answer(options: TelemetryOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const send = (status: number, text: string, contentType = 'text/plain; charset=utf-8') => {
    response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(text) });
    response.end(request.method === 'HEAD' ? undefined : text);
  };
  request.resume();
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(405, 'only GET\n');
  switch ((request.url ?? '').split('?', 1)[0]) {
    case '/metrics': {
      const { contentType, text } = await options.metrics();
      return send(200, text, contentType);
    }
    case '/healthz':
      return send(200, 'ok\n');
    case '/readyz':
      return options.ready() ? send(200, 'ok\n') : send(503, 'training has not started\n');
    case '/status':
      return options.status === undefined
        ? send(404, 'rank 0 serves /status\n')
        : send(200, JSON.stringify(options.status()), 'application/json');
    case undefined:
    default:
      return send(404, 'here are /metrics, /healthz, /readyz and, on rank 0, /status\n');
  }
}
