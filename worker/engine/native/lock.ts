import { createServer, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Runs `body` while no other process of this machine runs one for the same `name`. The lock is a socket without a
 * file, which the system takes away with its process: nothing is left behind by a crash.
 */
export async function withLock<T>(name: string, body: () => Promise<T>, waiting: () => void): Promise<T> {
  let server = await listen(name);
  if (server === undefined) waiting();
  while (server === undefined) {
    await delay(300);
    server = await listen(name);
  }
  try {
    return await body();
  } finally {
    server.close();
  }
}

function listen(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen({ path: `\0hayate-${name}` }, () => resolve(server));
  });
}
