import { configVariable } from '@hayate/crds/worker-config.ts';

/**
 * Threads that one op may use: the cores of this machine over the ranks on it, at least one. Ranks that have a hosts
 * file (HAYATE_HOSTS_FILE) all run on this machine, as many as the configuration's worldSize; without one, each has a
 * machine or a container of its own. HAYATE_NATIVE_THREADS sets another number.
 */
export function opThreads(env: Readonly<Record<string, string | undefined>>, cores: number): number {
  const wanted = Number(env['HAYATE_NATIVE_THREADS']);
  if (Number.isInteger(wanted) && wanted > 0) return wanted;
  if (env['HAYATE_HOSTS_FILE'] === undefined) return cores;
  return Math.max(1, Math.floor(cores / ranksOf(env[configVariable])));
}

/** worldSize of a configuration document; Infinity for one that cannot be read, which others complain about. */
function ranksOf(document: string | undefined): number {
  try {
    const { worldSize } = JSON.parse(document ?? '') as { worldSize?: unknown };
    return typeof worldSize === 'number' && worldSize >= 1 ? worldSize : Infinity;
  } catch {
    return Infinity;
  }
}
