import type { KubeClient } from '@hayate/operator/kube/client.ts';
import { systemClock } from '@hayate/operator/kube/clock.ts';
import { podResource } from '@hayate/operator/kube/core.ts';
import { isConflict, isNotFound } from '@hayate/operator/kube/errors.ts';
import { Reflector } from '@hayate/operator/kube/reflector.ts';
import type { PodApi } from './kubelet.ts';
import type { Pod } from './pod.ts';

/** The kubelet's view of a Kubernetes API server. Writes name the pod's uid, so that a younger namesake is safe. */
export function podApi(client: KubeClient, random: () => number, onProblem: (sentence: string) => void): PodApi {
  const patch = (pod: Pod, body: object, subresource?: 'status') => {
    const { namespace, name, uid } = pod.metadata;
    return unlessGone(client.mergePatch(podResource, namespace, name, { metadata: { uid }, ...body }, subresource));
  };
  return {
    async watch(onPod, onGone) {
      const reflector = new Reflector<Pod>({
        client,
        resource: podResource,
        namespace: undefined,
        clock: systemClock,
        random,
        onError: (error) => onProblem(`watching pods: ${(error as Error).message}`),
      });
      reflector.onChange((change) => (change.kind === 'delete' ? onGone : onPod)(change.object));
      reflector.start();
      await reflector.waitForSync();
      return { stop: () => reflector.close() };
    },
    bind: (pod, nodeName) => patch(pod, { spec: { nodeName } }),
    writeStatus: (pod, status) => patch(pod, { status }, 'status'),
    async remove(pod) {
      const { namespace, name, uid } = pod.metadata;
      await unlessGone(client.delete(podResource, namespace, name, { uid, gracePeriodSeconds: 0 }));
    },
  };
}

/** A pod that is gone, or replaced by a namesake, needs no write; its end comes through the watch. */
async function unlessGone(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}
