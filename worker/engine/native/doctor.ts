import { existsSync } from 'node:fs';
import path from 'node:path';
import { type CachePaths, cachePaths } from './cache.ts';
import { gpuVerdict, neededCuda, visibleGpus } from './cuda-verdict.ts';
import { inspectMachine, type Machine, missingFor } from './machine.ts';
import type { Probe } from './probe.ts';
import { cpuRelease, gpuRelease, type Release } from './release.ts';
import { needsOf } from './stage.ts';

/** Prints what was found of the engine and of what it is made with; true when one of the releases can be used. */
export async function doctor(
  env: Readonly<Record<string, string | undefined>>,
  probe: (release: Release) => Promise<Probe>,
  say: (line: string) => void,
): Promise<boolean> {
  const row = (what: string, found: string) => say(`${what.padEnd(9)} ${found}`);
  const { root } = cachePaths(env, cpuRelease);
  const machine = await inspectMachine(root, env);
  row('cache', root);
  row('node', `${process.version}, ${machine.platform}, glibc ${machine.glibc ?? 'none'}`);
  row('python3', machine.python ?? 'none');
  row('pip', machine.pip ?? 'none');
  row('compiler', machine.compiler ?? 'none');
  let isUsable = false;
  for (const release of [cpuRelease, gpuRelease]) {
    const paths = cachePaths(env, release);
    const probed = await probe(release);
    isUsable ||= probed.problem === undefined;
    say('');
    for (const [what, found] of releaseRows(release, paths, probed)) row(what, found);
    if (release.device === 'gpu') for (const [what, found] of gpuRows(machine, probed)) row(what, found);
    if (probed.problem !== undefined) {
      for (const problem of missingFor(release, machine, await needsOf(release, paths))) row('missing', problem);
    }
  }
  return isUsable;
}

function releaseRows({ device, name }: Release, paths: CachePaths, probed: Probe): [string, string][] {
  const advice = `run npm run native -- ${device}`;
  return [
    [device === 'cpu' ? 'on CPUs' : 'on GPUs', `TensorFlow ${name}`],
    ['library', existsSync(paths.library) ? paths.library : `not staged: ${advice}`],
    ['addon', existsSync(paths.addon) ? paths.addon : `not built: ${advice}`],
    ['loads', probed.problem === undefined ? `yes, TensorFlow ${probed.version}` : `no: ${probed.problem}`],
  ];
}

/** What there is for computing on a GPU, and whether it is used. */
export function gpuRows(machine: Machine, probed: Probe): [string, string][] {
  const { gpus, cudaFiles } = machine;
  const described = gpus.map(({ name, driver, memoryMiB }) => `${name}, driver ${driver}, ${memoryMiB} MiB`);
  const found = neededCuda.flatMap((soname) => cudaFiles.find((file) => path.basename(file) === soname) ?? []);
  const folders = [...new Set(found.map((file) => path.dirname(file)))];
  const where = found.length === 0 ? '' : ` in ${folders.join(', ')}`;
  const { problems, notes } = gpuVerdict(machine);
  const all = [...problems, ...(probed.problem === undefined ? [] : ['the engine does not load'])];
  return [
    ['GPU', described.length > 0 ? described.join('; ') : 'none found'],
    ['CUDA', `${found.length} of ${neededCuda.length} libraries found${where}`],
    ['GPU use', all.length > 0 ? `not used: ${all.join('; ')}` : `used: ${visibleGpus(machine)[0]?.name}`],
    ...notes.map((note): [string, string] => ['note', note]),
  ];
}
