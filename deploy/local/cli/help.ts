import { type CommandName, defaultPort } from './command.ts';

const overview = `Hayate trains one neural network on many workers, on this machine or on Kubernetes.

Usage: hayate COMMAND

  start            train a network on handwritten digits with four workers, here and now
  run FILE…        train the jobs of your own manifests, then stop
  up               keep a local cluster running, for kubectl
  validate FILE…   check manifests; every problem is named with its field
  plan FILE…       what jobs would hold in memory, on which device and in which precision; trains nothing
  help COMMAND     more about one command

  --version        print the version
`;

const directoryOption = '  --directory DIR  where runs are kept (default .hayate)\n';

const topics: Readonly<Record<CommandName, string>> = {
  start: `Usage: hayate start [--json] [--directory DIR]

Starts a local cluster with the operator, trains crds/examples/mnist.yaml on four worker processes,
shows progress and a report, and stops everything. Ctrl-C ends it at any time.

  --json           one JSON object an event on standard output
${directoryOption}
Exit status: 0 the job succeeded, 1 it failed, 2 wrong arguments, 130 interrupted.
`,
  run: `Usage: hayate run FILE… [--json] [--keep] [--directory DIR]

Like start, for the TrainingJobs of your own YAML or JSON files; a file may hold several documents.
A relative training.program.module counts from the file that names it.

  --json           one JSON object an event on standard output
  --keep           leave the cluster up after the jobs have ended, until Ctrl-C
${directoryOption}
Exit status: 0 all jobs succeeded, 1 one failed, 2 wrong arguments or manifests, 130 interrupted.
`,
  up: `Usage: hayate up [--port N] [--directory DIR]

Runs a local cluster until Ctrl-C: a Kubernetes API for kubectl, the operator, and a kubelet that runs
workers as processes. The cluster starts empty; it listens on this machine only.

  --port N         port of the API (default ${defaultPort})
${directoryOption}`,
  validate: `Usage: hayate validate FILE…

Checks the TrainingJobs of YAML or JSON files without a cluster.

Exit status: 0 all are right, 2 there are problems.
`,
  plan: `Usage: hayate plan FILE… [--workspace-mib N] [--json]

Says for the TrainingJobs of YAML or JSON files where and how precisely they compute, and the bytes that a worker
holds at the peak of a step. Loads the training programs and trains nothing. With the engine that the workers
will use on this machine the figure is the one that they check themselves against; for a GPU that is not here it
is counted from shapes alone. Layout and workspaces of convolutions are chosen on the GPU: where there is none,
workspaces are not counted unless they are given.

  --workspace-mib N  MiB that the largest workspace of a convolution takes, added to the peak (default 0)
  --json             one JSON object a job

Exit status: 0 every job could be planned, 2 there are problems.
`,
  help: overview,
};

/** Text of `hayate help [COMMAND]`. */
export function helpText(topic: CommandName | undefined): string {
  return topic === undefined ? overview : topics[topic];
}
