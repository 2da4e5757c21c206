import { once } from 'node:events';
import { createServer, type Server } from 'node:http';

export interface HealthOptions {
  host: string;
  /** 0 = any free port. */
  port: number;
  /** True once the caches are filled. */
  isReady: () => boolean;
  metrics: () => Promise<{ contentType: string; text: string }>;
}

/** Serves /metrics, /healthz and /readyz; nothing here changes anything. */
export async function serveHealth(options: HealthOptions): Promise<Server> {
  const server = createServer((request, response) => {
    void answer(request.url ?? '', options).then(({ code, contentType, text }) => {
      response.writeHead(code, { 'content-type': contentType, 'content-length': Buffer.byteLength(text) });
      response.end(request.method === 'HEAD' ? undefined : text);
    });
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');
  return server;
}

async function answer(url: string, options: HealthOptions) {
  const text = (code: number, words: string) => ({
    code,
    contentType: 'text/plain; charset=utf-8',
    text: `${words}\n`,
  });
  switch (url.replace(/\?.*$/, '')) {
    case '/healthz':
      return text(200, 'ok');
    case '/readyz':
      return options.isReady() ? text(200, 'ok') : text(503, 'the caches are not filled yet');
    case '/metrics':
      return options.metrics().then(
        (metrics) => ({ code: 200, ...metrics }),
        (error: unknown) => text(500, String(error)),
      );
    default:
      return text(404, 'here are /metrics, /healthz and /readyz');
  }
}
