import type { Pod } from './pod.ts';

/** The resource by which pods ask for GPUs, as NVIDIA's device plugin names it. */
export const gpuResource = 'nvidia.com/gpu';

/** GPUs that pods have, by uid of the pod. */
export type HeldGpus = ReadonlyMap<string, readonly string[]>;

/** What a pod gets: GPUs of its own (none where it asks for none), or why it has to wait. */
export type Grant = { ok: true; gpus: readonly string[] } | { ok: false; message: string };

/**
 * Decides which of `gpus` a pod gets, as scheduler and device plugin do together: as many as it asks for, none of which
 * another pod has. A pod that has some keeps them. Of other extended resources this machine has none.
 */
export function grantGpus(pod: Pod, gpus: readonly string[], held: HeldGpus): Grant {
  const own = held.get(pod.metadata.uid);
  if (own !== undefined) return { ok: true, gpus: own };
  const asked = extendedResources(pod);
  const taken = new Set([...held.values()].flat());
  const free = gpus.filter((gpu) => !taken.has(gpu));
  const lacking = [...asked].filter(([name, count]) => count > (name === gpuResource ? free.length : 0));
  if (lacking.length === 0) return { ok: true, gpus: free.slice(0, asked.get(gpuResource) ?? 0) };
  const insufficient = lacking.map(([name]) => `1 Insufficient ${name}`).join(', ');
  const facts = lacking.map(([name, count]) => {
    const [all, left] = name === gpuResource ? [gpus.length, free.length] : [0, 0];
    return `The pod asks for ${count} ${name}; this machine has ${all}, of which ${left} ${left === 1 ? 'is' : 'are'} free.`;
  });
  return { ok: false, message: [`0/1 nodes are available: ${insufficient}.`, ...facts].join(' ') };
}

/** Devices that the container which is run asks for, by resource; what Kubernetes itself counts is not among them. */
function extendedResources(pod: Pod): Map<string, number> {
  const limits = Object.entries(pod.spec.containers[0]?.resources?.limits ?? {});
  return new Map(
    limits
      .filter(([name]) => name.includes('/') && !/(^|\.)kubernetes\.io\//.test(name))
      .map(([name, count]) => [name, Number(count)] as const)
      .filter(([, count]) => count > 0),
  );
}
