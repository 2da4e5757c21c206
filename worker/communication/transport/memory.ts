import type { Transport, TransportListener } from './transport.ts';

/** Runs a delivery later. The order in which deliveries run is the order of arrival. */
export type Defer = (deliver: () => void) => void;

/** Transports of `worldSize` ranks in one thread. */
export function createMemoryTransports(worldSize: number, defer: Defer): Transport[] {
  const listeners: (TransportListener | undefined)[] = [];
  const deliver = (to: number, act: (listener: TransportListener) => void) => {
    defer(() => {
      const listener = listeners[to];
      if (listener !== undefined) act(listener);
    });
  };
  const connected = Promise.withResolvers<void>();
  return Array.from({ length: worldSize }, (_, rank): Transport => {
    return {
      port: 0,
      connect(_peers, _timeoutMs, listener) {
        listeners[rank] = listener;
        if (listeners.filter((l) => l !== undefined).length === worldSize) connected.resolve();
        return connected.promise;
      },
      send(to, frame, taken) {
        const copy = Buffer.from(frame);
        taken();
        deliver(to, (listener) => listener.frame(rank, copy));
      },
      request: (to, request) => deliver(to, (listener) => listener.request(rank, request)),
      close() {
        listeners[rank] = undefined;
        for (let to = 0; to < worldSize; to++) if (to !== rank) deliver(to, (listener) => listener.left(rank));
        return Promise.resolve();
      },
    };
  });
}
