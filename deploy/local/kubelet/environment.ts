import { delimiter, dirname } from 'node:path';
import type { Container, Pod } from './pod.ts';
import { hostAddress } from './status.ts';

/** What a pod's process is told by the kubelet itself. */
export interface PodFacts {
  ip: string;
  nodeName: string;
  hostsFile: string;
  terminationLog: string;
  /** GPUs that are the pod's own, by their names for CUDA_VISIBLE_DEVICES. */
  gpus: readonly string[];
}

/** Of the kubelet's own environment only these reach a pod; a debugger's NODE_OPTIONS, say, stays out. */
const inherited = [
  'PATH',
  'HOME',
  'TMPDIR',
  'LANG',
  'TZ',
  // Which engine the workers of this machine use and on what, where a staged one lies, and where it finds a GPU.
  'HAYATE_ENGINE',
  'HAYATE_DEVICE',
  'HAYATE_NATIVE_THREADS',
  'HAYATE_GPU_MEMORY_LIMIT_MIB',
  'HAYATE_GPU_ALLOCATOR',
  'HAYATE_GPU_DETERMINISTIC',
  'HAYATE_GPU_LAYOUT',
  'XDG_CACHE_HOME',
  'LD_LIBRARY_PATH',
] as const;

/**
 * Environment of a pod's process: the container's own variables over a minimal base. `$(NAME)` in a value refers
 * to a variable named before it. `problems` name each variable that cannot be had on one machine. GPUs that were given
 * to the pod are all that it sees, whatever the manifest says: a container too has no others.
 */
export function podEnvironment(
  pod: Pod,
  container: Container,
  facts: PodFacts,
  host: NodeJS.ProcessEnv,
  nodePath: string,
): { env: Record<string, string>; problems: string[] } {
  const env: Record<string, string> = {};
  for (const name of inherited) {
    const value = host[name];
    if (value !== undefined) env[name] = value;
  }
  env['PATH'] = [dirname(nodePath), env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'].join(delimiter);
  // A pod that asks for no GPU finds none, as in a cluster, unless the person at this machine wants them all to compute on one.
  const shared = host['HAYATE_DEVICE'] === 'gpu' ? host['CUDA_VISIBLE_DEVICES'] : '';
  if (shared !== undefined) env['CUDA_VISIBLE_DEVICES'] = shared;
  env['HOSTNAME'] = pod.spec.hostname ?? pod.metadata.name;
  const problems: string[] = [];
  for (const variable of container.env ?? []) {
    const fieldPath = variable.valueFrom?.fieldRef?.fieldPath;
    const value = fieldPath === undefined ? variable.value : podField(pod, facts, fieldPath);
    if (value === undefined && variable.valueFrom !== undefined) {
      problems.push(
        `env ${variable.name}: valueFrom ${JSON.stringify(variable.valueFrom)} is not available on one machine`,
      );
      continue;
    }
    env[variable.name] = expand(value ?? '', env);
  }
  if (facts.gpus.length > 0) env['CUDA_VISIBLE_DEVICES'] = facts.gpus.join(',');
  env['HAYATE_POD_IP'] = facts.ip;
  env['HAYATE_HOSTS_FILE'] = facts.hostsFile;
  env['HAYATE_TERMINATION_LOG'] = facts.terminationLog;
  return { env, problems };
}

function podField(pod: Pod, facts: PodFacts, fieldPath: string): string | undefined {
  const { metadata } = pod;
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(fieldPath);
  if (keyed !== null) {
    return (keyed[1] === 'labels' ? metadata.labels : metadata.annotations)?.[keyed[2] ?? ''] ?? '';
  }
  switch (fieldPath) {
    case 'metadata.name':
      return metadata.name;
    case 'metadata.namespace':
      return metadata.namespace;
    case 'metadata.uid':
      return metadata.uid;
    case 'spec.nodeName':
      return facts.nodeName;
    case 'status.podIP':
    case 'status.podIPs':
      return facts.ip;
    case 'status.hostIP':
      return hostAddress;
    default:
      return undefined;
  }
}

/** `$(NAME)` → its value; an unknown name stays as it is, `$$(NAME)` means a literal `$(NAME)`. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/(\$?)\$\(([A-Za-z_][\w.-]*)\)/g, (whole, escape: string, name: string) =>
    escape === '$' ? whole.slice(1) : (env[name] ?? whole),
  );
}
