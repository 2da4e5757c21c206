import { parentPort } from 'node:worker_threads';
import { serveCompute } from '../../worker/compute/serve.ts';
import { withResidentBatch } from './resident-batch.ts';
import { withoutEvaluation } from './without-evaluation.ts';

/** Entry of the compute thread of a rank whose batch stays on the device. */
if (parentPort === null) throw new Error('this module is the entry of a worker thread');
serveCompute(parentPort, (opened) => withResidentBatch(withoutEvaluation(opened)));
