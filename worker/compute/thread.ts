import { parentPort } from 'node:worker_threads';
import { serveCompute } from './serve.ts';

/** Entry of the compute thread. */
if (parentPort === null) throw new Error('this module is the entry of a worker thread');
serveCompute(parentPort);
