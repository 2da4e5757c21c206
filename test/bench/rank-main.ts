import { type Lanes, startLanes } from '../../worker/communication/lanes.ts';
import type { FromRank, LinkOrder, RankOptions, RankOrder, ToRank } from './rank-messages.ts';

/**
 * One rank in a process of its own, told what to do by its parent over IPC: opens lanes, connects them and closes them;
 * `obey` does the rest. Lanes and the rank's number are in the process's first argument.
 */
export async function runRank(
  obey: (order: RankOrder, lanes: Lanes, options: RankOptions) => Promise<FromRank>,
): Promise<void> {
  const options = JSON.parse(process.argv[2]!) as RankOptions;
  const post = (message: FromRank) => process.send!(message);
  try {
    const lanes = await startLanes(options);
    lanes.onFailure((error) => post(failure(error)));
    process.on('message', (order: ToRank) => {
      const answer = isOfLinks(order) ? link(lanes, order) : obey(order, lanes, options);
      answer.then(post, (error: unknown) => post(failure(error)));
    });
    post({ kind: 'listening', ports: [...lanes.ports] });
  } catch (error) {
    post(failure(error));
    process.exitCode = 1;
  }
}

function isOfLinks(order: ToRank): order is LinkOrder {
  return order.kind === 'connect' || order.kind === 'calibrate' || order.kind === 'close';
}

async function link(lanes: Lanes, order: LinkOrder): Promise<FromRank> {
  switch (order.kind) {
    case 'connect':
      await lanes.connect(order.peers);
      return { kind: 'connected' };
    case 'calibrate':
      return { kind: 'constants', constants: await lanes.calibrate() };
    case 'close':
      await lanes.close();
      setImmediate(() => process.disconnect());
      return { kind: 'closed' };
    default:
      throw new Error(`unknown order ${JSON.stringify(order satisfies never)}`);
  }
}

/** Errors with a code are told to the parent; anything else is a fault of ours. */
function failure(error: unknown): FromRank {
  const { code, message, blamedRank } = error as { code?: string; message: string; blamedRank?: number };
  if (code === undefined) throw error;
  return { kind: 'failed', code, message, blamedRank };
}
