/**
 * For tests: a program that behaves towards operator, kubelet and command line like a worker, without training.
 * `SCRIPT` in its environment: `steps` at 20 ms each by default; `fail-once` makes rank 1 of attempt 1 fail;
 * `hang` never ends and ignores SIGTERM.
 */
export const scriptedWorker = `
const fs = require('node:fs');
const config = JSON.parse(process.env.HAYATE_CONFIG);
const { rank, worldSize, job, training } = config;
const how = process.env.SCRIPT ?? 'steps';
console.log('rank ' + rank + ' of ' + worldSize + ' begins, attempt ' + job.attempt);
let step = 0;
const report = () => ({ job: { uid: job.uid, attempt: job.attempt }, step, totalSteps: training.steps, loss: 2 / (1 + step),
  samplesPerSecond: 1000, stepSeconds: 0.02, exposedCommunicationSeconds: 0.001, engine: 'scripted' });
require('node:http').createServer((request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(report()));
}).listen(9464, process.env.HAYATE_POD_IP);
if (how === 'hang') process.on('SIGTERM', () => {}); else process.on('SIGTERM', () => process.exit(143));
const timer = setInterval(() => {
  if (how === 'hang') return;
  step++;
  if (how === 'fail-once' && job.attempt === 1 && rank === 1 && step === 3) {
    console.error('about to fail');
    fs.writeFileSync(process.env.HAYATE_TERMINATION_LOG, JSON.stringify({ class: 'outOfMemory', reason: 'OutOfMemory',
      rank, step, message: 'no room for 3 GiB' }));
    process.exit(12);
  }
  if (step < training.steps) return;
  clearInterval(timer);
  fs.mkdirSync('reports', { recursive: true });
  fs.writeFileSync('reports/' + rank + '.json', JSON.stringify({ rank, worldSize, steps: step, loss: 0.25, accuracy: 0.98,
    weightsDigest: 'd1', engine: 'scripted', device: 'cpu', precision: 'float32', seconds: step * 0.02,
    communication: { bytesByCollective: { 'gather-sum': 2048 }, bucketsByCollective: { 'gather-sum': 2 },
      exposedSeconds: 0.01, reasons: ['two small tensors: gather-sum'] },
    memory: { predictedPeakBytes: 1024, measuredPeakBytes: 1024, stockPeakBytes: 4096 } }));
  process.exit(0);
}, 20);
`;
