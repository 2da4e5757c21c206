import type { Cluster } from '../cluster.ts';
import { shownPath } from './format.ts';
import type { Happening, JobState } from './job-state.ts';
import { finishedEvent, type JobResult, nextSteps, reportLines } from './report.ts';
import { plainScreen, terminalScreen } from './screen.ts';
import { happeningLines, plainProgress, progressLine } from './view.ts';

/** How a run is told: to people or to a program. */
export interface Output {
  cluster(cluster: Cluster): void;
  happening(happening: Happening, state: JobState): void;
  tick(states: readonly JobState[]): void;
  /** A job has ended; `tail` is the end of the log of the worker that failed first. */
  finished(result: JobResult, tail: readonly string[]): void;
  notice(line: string): void;
  end(directory: string, interrupted: boolean): void;
}

/** The outside of a command: streams, clock, size of the terminal. */
export interface Terminal {
  write(text: string): void;
  writeError(text: string): void;
  isTerminal: boolean;
  columns(): number;
  now(): number;
  random(): number;
  pid: number;
  /** Where relative paths count from. */
  cwd: string;
}

const plainEveryMs = 2000;

export function peopleOutput(terminal: Terminal): Output {
  const write = (text: string) => terminal.write(text);
  const screen = terminal.isTerminal ? terminalScreen(write) : plainScreen(write, () => terminal.now(), plainEveryMs);
  const shown = (path: string) => shownPath(path, terminal.cwd);
  return {
    cluster(cluster) {
      screen.print([
        `Hayate: a local cluster is up; its files are in ${shown(cluster.directory)}`,
        `  look inside: KUBECONFIG=${shown(cluster.kubeconfigPath)} kubectl get trainingjobs,pods`,
        '',
      ]);
    },
    happening: (happening, state) => screen.print(happeningLines(happening, state)),
    tick(states) {
      const nowMs = terminal.now();
      const running = states.filter(({ phase }) => phase !== 'Succeeded' && phase !== 'Failed');
      screen.redraw(
        running.map((state) => progressLine(state, terminal.columns() - 1, nowMs)),
        running.filter(({ report }) => (report?.step ?? 0) > 0).map((state) => plainProgress(state, nowMs)),
      );
    },
    finished(result, tail) {
      screen.finish();
      screen.print(['', ...reportLines(result), ...tail, '']);
    },
    notice(line) {
      screen.finish();
      screen.print([line]);
    },
    end(directory, interrupted) {
      screen.finish();
      screen.print(
        interrupted ? [`stopped; nothing is left running. Logs: ${shown(directory)}`] : nextSteps(shown(directory)),
      );
    },
  };
}

/** One JSON object an event; the last one of a job is `finished`. */
export function jsonOutput(terminal: Terminal): Output {
  const emit = (event: object) => terminal.write(`${JSON.stringify(event)}\n`);
  const finished: JobResult[] = [];
  return {
    cluster: ({ directory, kubeconfigPath }) => emit({ event: 'cluster', directory, kubeconfig: kubeconfigPath }),
    happening: (happening) => emit(happening),
    tick() {},
    finished: (result) => finished.push(result),
    notice: (line) => terminal.writeError(`${line}\n`),
    end(_directory, interrupted) {
      if (interrupted) emit({ event: 'interrupted' });
      for (const result of finished) emit(finishedEvent(result));
    },
  };
}
