import { accessSync, constants, fstatSync } from 'node:fs';
import { configVariable } from '@hayate/crds/worker-config.ts';
import type { EngineName } from './engine/engine.ts';

/** Everything that a worker reads from its environment. */
export interface Environment {
  /** Text of the configuration document. */
  config: string | undefined;
  /** Address of this pod: servers listen there. */
  podIp: string;
  /** Names of pods on one machine; undefined where DNS knows them. */
  hostsFile: string | undefined;
  terminationLog: string | undefined;
  engine: string | undefined;
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
    parentOnStdin: podIp !== undefined && isPipe(0),
  };
}

export type EngineChoice = { ok: true; engine: EngineName; why: string } | { ok: false; problem: string };

/** Which engine computes: the native one where it is staged, else WASM. HAYATE_ENGINE forces one. */
export function chooseEngine(forced: string | undefined, nativeStaged: boolean): EngineChoice {
  switch (forced) {
    case undefined:
    case '':
      return nativeStaged
        ? { ok: true, engine: 'native', why: 'staged on this machine' }
        : { ok: true, engine: 'wasm', why: 'the default' };
    case 'wasm':
    case 'cpu':
    case 'native':
      return { ok: true, engine: forced, why: 'chosen by HAYATE_ENGINE' };
    default:
      return { ok: false, problem: `HAYATE_ENGINE: "${forced}" is none of wasm, cpu, native` };
  }
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
