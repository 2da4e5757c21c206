import { parentPort } from 'node:worker_threads';
import { serveCompute } from '../../worker/compute/serve.ts';
import { withoutEvaluation } from './without-evaluation.ts';

/** Entry of a rank's compute thread: a worker's, but for what is not measured. */
if (parentPort === null) throw new Error('this module is the entry of a worker thread');
serveCompute(parentPort, withoutEvaluation);
