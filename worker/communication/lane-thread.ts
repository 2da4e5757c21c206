/** Entry of a lane thread: its own event loop, connections and summing. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { calibrate } from './calibrate.ts';
import { ExchangeError } from './exchange.ts';
import { Lane } from './lane.ts';
import type { FromLane, LaneAnswers, LaneOrder, LaneRequest, LaneThreadData } from './lane-messages.ts';
import { fromRecord, toRecord } from './shared-state.ts';
import { listenGrpc } from './transport/grpc.ts';
import type { Transport } from './transport/transport.ts';

/** How long the last bytes may take to leave; there is nothing to wait for once the exchange has failed. */
const goodbyeMs = 5000;
const brokenGoodbyeMs = 100;

const data = workerData as LaneThreadData;
const post = (message: FromLane) => parentPort!.postMessage(message);

try {
  run(await listenGrpc(data));
} catch (error) {
  if (!(error instanceof ExchangeError)) throw error;
  post({ kind: 'cannotListen', failure: toRecord(error) });
}

function run(transport: Transport): void {
  const lane = new Lane({
    ...data,
    transport,
    now: () => performance.now(),
    onFailure: (error) => post({ kind: 'failed', failure: toRecord(error) }),
  });
  const watch = setInterval(() => lane.checkTimeout(), Math.min(1000, Math.max(20, data.timeoutMs / 5)));

  parentPort!.on('message', (request: LaneRequest) => {
    obey(request).then(
      (answer) => post({ kind: 'reply', id: request.id, answer }),
      (error: unknown) => {
        if (error instanceof ExchangeError) post({ kind: 'refusal', id: request.id, failure: toRecord(error) });
        else
          queueMicrotask(() => {
            throw error;
          });
      },
    );
  });
  post({ kind: 'listening', port: transport.port });

  let doorbell: MessagePort | undefined;
  async function obey(order: LaneOrder): Promise<LaneAnswers[keyof LaneAnswers]> {
    switch (order.kind) {
      case 'connect':
        return transport.connect(order.peers, order.timeoutMs, lane) as Promise<undefined>;
      case 'calibrate': {
        const next = (data.rank + 1) % data.worldSize;
        const probe = next === data.rank ? undefined : (count: number, bytes: number) => lane.probe(next, count, bytes);
        return calibrate(probe, data.worldSize, () => performance.now() / 1000);
      }
      case 'open':
        lane.open(order.plan, order.arena, order.memory);
        doorbell?.close();
        doorbell = order.doorbell;
        doorbell.on('message', (bucket: number) => lane.submitted(bucket));
        return undefined;
      case 'stats':
        return lane.stats();
      case 'abort':
        lane.fail(fromRecord(order.failure));
        return undefined;
      case 'close':
        clearInterval(watch);
        await transport.close(lane.failed ? brokenGoodbyeMs : goodbyeMs);
        return undefined;
      default:
        return assertNever(order);
    }
  }
}

function assertNever(value: never): never {
  throw new Error(`unknown order ${String(value)}`);
}
