import type { TrainingJobStatus } from '@hayate/crds/trainingjob.ts';
import type { Clock } from '../kube/clock.ts';
import { type ApiError, isNotFound } from '../kube/errors.ts';
import type { EventRecorder, Happening } from '../kube/events.ts';
import { mergeDiff } from '../kube/merge-diff.ts';
import type { Reconcile } from '../kube/runner.ts';
import { isTrue, withConditions } from './conditions.ts';
import { type Api, execute, jobResource } from './execute.ts';
import { type Caches, type Observed, observe } from './observe.ts';
import { type PlanSettings, planJob } from './plan.ts';
import type { ReportReader } from './progress.ts';

export interface ControllerParts {
  caches: Caches;
  reports: ReportReader;
  api: Api;
  events: Pick<EventRecorder, 'record'>;
  clock: Clock;
  settings: PlanSettings;
  /** Hears of every transition of a job. */
  onTransition: (key: string, happening: Happening) => void;
}

/** The controller of TrainingJobs: one pass for one job. */
export function trainingJobController(parts: ControllerParts): Reconcile {
  const { caches, reports, api, clock, settings } = parts;
  return async (key, signal) => {
    const observed = observe(key, caches, reports.newest(key), clock.nowMs()); // what is: job, pods, service, report
    if (observed === undefined) {
      reports.forget(key);
      return {};
    }
    const plan = planJob(observed, settings); // what to do and why; pure
    reports.follow(key, plan.reportSource);
    const refused = await execute(plan.actions, observed.identity.namespace, api, signal); // stops at the first failure
    await writeStatus(observed, withRefusal(plan.status, refused, observed), api); // once, and only when it differs
    await announce(parts, key, observed, refused === undefined ? plan.events : [...plan.events, ...said(refused)]);
    if (refused !== undefined) throw refused;
    return { requeueAfterMs: plan.requeueAfterMs };
  };
}

async function writeStatus(observed: Observed, status: TrainingJobStatus, api: Api): Promise<void> {
  const { stored, identity, written } = observed;
  const patch = mergeDiff(written, status);
  if (patch === undefined) return;
  const { resourceVersion } = stored.metadata;
  const body = { metadata: { resourceVersion }, status: patch };
  try {
    await api.patchStatus(jobResource, identity.namespace, identity.name, body);
  } catch (error) {
    // Deleted meanwhile: there is nothing left to say.
    if (!isNotFound(error)) throw error;
  }
}

/** A refusal that will not pass by itself is shown where a person looks: in the condition that says why nothing runs. */
function withRefusal(status: TrainingJobStatus, refused: ApiError | undefined, observed: Observed): TrainingJobStatus {
  if (refused === undefined || refused.retryable || isTrue(status, 'Running')) return status;
  return withConditions(status, observed.identity.generation, observed.nowMs, [
    { type: 'Running', status: false, reason: 'Refused', message: refused.message },
  ]);
}

function said(refused: ApiError): Happening[] {
  return refused.retryable ? [] : [{ type: 'Warning', reason: 'Refused', message: refused.message }];
}

async function announce(parts: ControllerParts, key: string, observed: Observed, happenings: Happening[]) {
  for (const happening of happenings) {
    parts.onTransition(key, happening);
    await parts.events.record(observed.stored, happening);
  }
}
