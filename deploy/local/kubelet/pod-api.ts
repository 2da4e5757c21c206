import type { KubeClient } from '@hayate/operator/kube/client.ts';
import { systemClock } from '@hayate/operator/kube/clock.ts';
import { podResource } from '@hayate/operator/kube/core.ts';
import { isConflict, isNotFound } from '@hayate/operator/kube/errors.ts';
import { Reflector } from '@hayate/operator/kube/reflector.ts';
import type { PodApi } from './kubelet.ts';
import type { Pod } from './pod.ts';

/** The kubelet's view of a Kubernetes API server. Writes name the pod's uid, so that a younger namesake is safe. */
export function podApi(client: KubeClient, random: () => number, onProblem: (sentence: string) => void): PodApi {
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
    bind(pod, nodeName) {
      const { namespace, name, uid } = pod.metadata;
      const target = { apiVersion: 'v1', kind: 'Node', name: nodeName };
      const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { namespace, name, uid }, target };
      return unlessGone(client.bind(podResource, binding));
    },
    writeStatus(pod, status) {
      const { namespace, name, uid } = pod.metadata;
      return unlessGone(client.patchStatus(podResource, namespace, name, { metadata: { uid }, status }));
    },
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
