import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { controllers, type Log } from './controllers.ts';
import { serveHealth } from './health.ts';
import { KubeClient } from './kube/client.ts';
import { type Clock, systemClock } from './kube/clock.ts';
import { OperatorMetrics } from './metrics.ts';

export interface OperatorOptions {
  /** Text of a kubeconfig; omitted = the service account of the pod this runs in. */
  kubeconfig?: string;
  /** Image of workers whose template names none. */
  workerImage: string;
  /** Only jobs of this namespace; omitted = all. */
  namespace?: string;
  /** Port of /metrics, /healthz and /readyz; omitted = not served. */
  metricsPort?: number;
  /** Address that the port is opened on; omitted = loopback only. */
  metricsHost?: string;
  clock?: Clock;
  log: Log;
}

/**
 * Starts the operator and resolves when its caches are filled and it works. `close` waits for the passes under way;
 * pods go on without an operator, and the next one takes over from what the API holds.
 */
export async function startOperator(options: OperatorOptions): Promise<{ close(): Promise<void> }> {
  const { kubeconfig, workerImage, namespace, metricsPort, metricsHost = '127.0.0.1', log } = options;
  const clock = options.clock ?? systemClock;
  const random = () => Math.random();
  const metrics = new OperatorMetrics();
  const client = new KubeClient({
    kubeconfig,
    clock,
    random,
    onRequest: (method, code) => metrics.request(method, code),
  });
  const running = controllers({ client, namespace, workerImage, clock, random, log, metrics });
  const health =
    metricsPort === undefined
      ? undefined
      : await serveHealth({
          host: metricsHost,
          port: metricsPort,
          isReady: () => running.every((controller) => controller.isReady()),
          metrics: async () => ({ contentType: metrics.registry.contentType, text: await metrics.registry.metrics() }),
        });
  if (health !== undefined) metrics.watchProcess();
  await Promise.all(running.map((controller) => controller.start()));
  log.info({ namespace: namespace ?? '(all)' }, 'the operator is running');
  return {
    async close() {
      await Promise.all(running.map((controller) => controller.close()));
      health?.close();
      health?.closeAllConnections();
      await client.close();
    },
  };
}

const usage = `hayate-operator: runs TrainingJobs.
  --worker-image IMAGE   image of workers whose template names none (or HAYATE_WORKER_IMAGE)
  --kubeconfig FILE      default: KUBECONFIG, else the pod's service account
  --namespace NAME       only this namespace; default: all
  --metrics-port PORT    default 8080; --metrics-host HOST, default 0.0.0.0
  --log-level LEVEL      default info`;

async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { values } = parseArgs({
    args: argv,
    options: {
      'worker-image': { type: 'string' },
      kubeconfig: { type: 'string' },
      namespace: { type: 'string' },
      'metrics-port': { type: 'string', default: '8080' },
      'metrics-host': { type: 'string', default: '0.0.0.0' },
      'log-level': { type: 'string', default: 'info' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const workerImage = values['worker-image'] ?? env['HAYATE_WORKER_IMAGE'];
  const file = values.kubeconfig ?? env['KUBECONFIG'];
  const metricsPort = Number(values['metrics-port']);
  const problems = [
    ...(file || env['KUBERNETES_SERVICE_HOST']
      ? []
      : ['not in a cluster: --kubeconfig or KUBECONFIG must name a file']),
    ...(workerImage ? [] : ['--worker-image or HAYATE_WORKER_IMAGE must name an image']),
    ...(/^\d{1,5}$/.test(values['metrics-port']) && metricsPort <= 65_535
      ? []
      : [`--metrics-port ${values['metrics-port']}: not a port number from 0 to 65535`]),
    ...(Object.keys(pino.levels.values).includes(values['log-level'])
      ? []
      : [`--log-level ${values['log-level']}: not one of ${Object.keys(pino.levels.values).join(', ')}`]),
  ];
  if (problems.length > 0 || !workerImage) throw new Error(problems.join('\n'));
  const log = pino({ level: values['log-level'] });
  const operator = await startOperator({
    ...(file ? { kubeconfig: readFileSync(file, 'utf8') } : {}),
    ...(values.namespace === undefined ? {} : { namespace: values.namespace }),
    workerImage,
    metricsPort,
    metricsHost: values['metrics-host'],
    log,
  });
  const stop = (signal: string) => {
    log.info({ signal }, 'stopping');
    void operator.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

if (import.meta.main) {
  main(process.argv.slice(2), process.env).catch((error: unknown) => {
    process.stderr.write(`${(error as Error).message}\n\n${usage}\n`);
    process.exitCode = 2;
  });
}
