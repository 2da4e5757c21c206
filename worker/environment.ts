import { accessSync, constants, fstatSync } from 'node:fs';
import { configVariable } from '@hayate/crds/worker-config.ts';

/** Everything that a worker reads from its environment. */
export interface Environment {
  /** Text of the configuration document. */
  config: string | undefined;
  /** Address of this pod: servers listen there. */
  podIp: string;
  /** Names of pods on one machine; undefined where DNS knows them. */
  hostsFile: string | undefined;
  terminationLog: string | undefined;
  /** HAYATE_ENGINE: which engine computes; see choose-engine.ts. */
  engine: string | undefined;
  /** HAYATE_DEVICE: cpu or gpu, for jobs that ask for no GPU. */
  device: string | undefined;
  /** The end of stdin means that whoever started this worker is gone. */
  parentOnStdin: boolean;
}

const defaultTerminationLog = '/dev/termination-log';

export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Environment {
  const podIp = env['HAYATE_POD_IP'];
  return {
    config: env[configVariable],
    podIp: podIp ?? '0.0.0.0',
    hostsFile: env['HAYATE_HOSTS_FILE'],
    terminationLog:
      env['HAYATE_TERMINATION_LOG'] ?? (writable(defaultTerminationLog) ? defaultTerminationLog : undefined),
    engine: env['HAYATE_ENGINE'],
    device: env['HAYATE_DEVICE'],
    parentOnStdin: podIp !== undefined && isPipe(0),
  };
}

/** A pipe or socket has somebody at its other end; a file, a terminal or /dev/null has not. */
function isPipe(descriptor: number): boolean {
  try {
    const stat = fstatSync(descriptor);
    return stat.isFIFO() || stat.isSocket();
  } catch {
    return false;
  }
}

function writable(file: string): boolean {
  try {
    accessSync(file, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
