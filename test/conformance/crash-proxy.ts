import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A way to the API server that breaks for good at the n-th write: `before` the server hears of it, or `after` the
 * server carried it out but before the client knows. Events do not count as writes.
 */
export class CrashProxy {
  readonly #target: URL;
  readonly #crashAt: number;
  readonly #when: 'before' | 'after';
  readonly #server: Server;
  #writes = 0;
  #broken = false;

  constructor(target: string, crashAt: number, when: 'before' | 'after') {
    this.#target = new URL(target);
    this.#crashAt = crashAt;
    this.#when = when;
    this.#server = createServer((incoming, outgoing) => this.#forward(incoming, outgoing));
  }

  get broken(): boolean {
    return this.#broken;
  }

  get writes(): number {
    return this.#writes;
  }

  /** Address with the target's path. */
  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${this.#target.pathname}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #break(): void {
    this.#broken = true;
    this.#server.closeAllConnections();
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const isWrite = incoming.method !== 'GET' && !/\/events(\/|$)/.test(incoming.url ?? '');
    if (isWrite && !this.#broken) this.#writes += 1;
    const isFatal = isWrite && this.#writes === this.#crashAt && !this.#broken;
    if (isFatal && this.#when === 'before') this.#break();
    if (this.#broken) {
      incoming.socket.destroy();
      return;
    }
    const { hostname, port } = this.#target;
    const headers = { ...incoming.headers, host: this.#target.host };
    const onward = request({ hostname, port, method: incoming.method, path: incoming.url, headers }, (answer) => {
      if (isFatal) {
        answer.resume().on('end', () => this.#break());
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }
}
