import { randomBytes } from 'node:crypto';
import { trainingJobDefinition } from '@hayate/crds/crd.ts';
import { type EmbeddedApi, startEmbeddedApi } from '@hayate/local/api/server.ts';
import { describeKubernetesApi } from './kubernetes-api.ts';

describe('contract of a Kubernetes API', () => {
  let api: EmbeddedApi | undefined;
  before(async () => {
    api = await startEmbeddedApi({ crds: [trainingJobDefinition()], now: () => new Date(), randomBytes });
  });
  after(() => api?.close());
  describeKubernetesApi('the embedded server', () => api?.url ?? '');

  // A real server through `kubectl proxy`, with crds/trainingjob.yaml applied: KUBE_API_URL=http://127.0.0.1:8001. Its
  // controller manager must run (it collects garbage and empties namespaces), and it must have been up for longer than
  // etcd's compaction interval (else no version is too old).
  const real = process.env['KUBE_API_URL'];
  if (real !== undefined) describeKubernetesApi('the server of KUBE_API_URL', () => real);
});
