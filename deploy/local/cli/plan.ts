import { type TrainingJobSpec, trainingJobSpec } from '@hayate/crds/trainingjob.ts';
import { chooseEngine } from '@hayate/worker/choose-engine.ts';
import { failureOf } from '@hayate/worker/compute/failure.ts';
import { type Engine, EngineError, type EngineSettings } from '@hayate/worker/engine/engine.ts';
import { isStaged } from '@hayate/worker/engine/native/staged.ts';
import { openEngine } from '@hayate/worker/engine/open.ts';
import { loadProgram } from '@hayate/worker/program/load.ts';
import { parseParameters } from '@hayate/worker/program/parameters.ts';
import type { Manifest } from './manifest.ts';
import type { Terminal } from './output.ts';
import { figuresOf, type Prediction, predictionEvent, predictionLines } from './prediction.ts';
import { CommandProblem } from './problem.ts';

export interface PlanCommand {
  jobs: readonly Manifest[];
  json: boolean;
  workspaceMib: number;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Predicts the memory of jobs and prints it. @returns the exit status; throws CommandProblem where a job cannot be planned */
export async function plan(command: PlanCommand, terminal: Terminal, env: Env): Promise<number> {
  for (const job of command.jobs) {
    const prediction = await predict(job, command.workspaceMib * 2 ** 20, terminal.cwd, env);
    const lines = command.json ? [JSON.stringify(predictionEvent(prediction))] : [...predictionLines(prediction), ''];
    terminal.write(lines.map((line) => `${line}\n`).join(''));
  }
  return 0;
}

async function predict(job: Manifest, workspaceBytes: number, cwd: string, env: Env): Promise<Prediction> {
  const spec = trainingJobSpec.parse(job.object.spec);
  const { engine, settings } = await workersEngine(job, spec, env);
  const { training, workers, memory } = spec;
  const batchSize = training.globalBatchSize / workers.replicas;
  try {
    const program = await loadProgram(training.program, cwd);
    const parameters = parseParameters(program, training.parameters);
    const request = {
      program,
      parameters,
      batchSize,
      seed: training.seed,
      recycling: memory.recycling,
      alone: workers.replicas === 1,
    };
    return {
      name: job.name,
      namespace: job.namespace,
      workers: workers.replicas,
      batchSize,
      globalBatchSize: training.globalBatchSize,
      settings,
      engine: engine?.name,
      workspaceBytes,
      ...(await figuresOf(request, engine, settings.device === 'gpu')),
    };
  } catch (error) {
    throw new CommandProblem('BadInput', `${job.file}: ${failureOf(error, undefined).message}`, error);
  } finally {
    engine?.dispose();
  }
}

/** The engine that a worker of this job would use on this machine; undefined where it cannot be used here. */
async function workersEngine(
  { file }: Manifest,
  { workers, training }: TrainingJobSpec,
  env: Env,
): Promise<{ engine: Engine | undefined; settings: EngineSettings }> {
  const device = workers.resourceName === '' ? 'cpu' : 'gpu';
  const forced = { engine: env['HAYATE_ENGINE'], device: env['HAYATE_DEVICE'] };
  const choice = chooseEngine(forced, { device, precision: training.precision }, (on) => isStaged(env, on));
  if (!choice.ok) {
    if (choice.class === 'engineMissing') return { engine: undefined, settings: choice.settings };
    throw new CommandProblem('BadInput', `${file}: ${choice.problems.join('; ')}`);
  }
  const { settings } = choice;
  try {
    return { engine: await openEngine(choice.engine, settings), settings };
  } catch (error) {
    if (error instanceof EngineError && error.code === 'engineMissing') return { engine: undefined, settings };
    throw error;
  }
}
