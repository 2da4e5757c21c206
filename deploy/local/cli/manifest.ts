import { dirname, isAbsolute, resolve } from 'node:path';
import { resource, type TrainingJob } from '@hayate/crds/trainingjob.ts';
import { validateTrainingJob } from '@hayate/crds/validate.ts';
import { type Document, isNode, LineCounter, parseAllDocuments } from 'yaml';

/** One thing that is wrong with a file; `line` counts from 1. */
export interface ManifestProblem {
  file: string;
  line?: number;
  field?: string;
  message: string;
}

/** A job as it was written, not yet with defaults, and its name for people. */
export interface Manifest {
  file: string;
  namespace: string;
  name: string;
  object: TrainingJob;
}

export interface ManifestFile {
  path: string;
  text: string;
}

/** All jobs of some YAML or JSON files, or every problem of all of them at once. */
export function readManifests(
  files: readonly ManifestFile[],
  exists: (path: string) => boolean,
): { jobs: Manifest[]; problems: ManifestProblem[] } {
  const jobs: Manifest[] = [];
  const problems: ManifestProblem[] = [];
  for (const { path, text } of files) {
    const lines = new LineCounter();
    const parsed = parseAllDocuments(text, { lineCounter: lines });
    const documents = Array.isArray(parsed) ? parsed : [];
    const found = jobs.length + problems.length;
    for (const document of documents) {
      if (document.errors.length > 0) {
        for (const error of document.errors) {
          const [message = error.message] = error.message.split(/ at line |:?\n/);
          problems.push({ file: path, line: lines.linePos(error.pos[0]).line, message });
        }
        continue;
      }
      const raw: unknown = document.toJS();
      if (raw === null) continue;
      const checked = checkDocument(path, raw, exists);
      if ('problems' in checked) {
        for (const problem of checked.problems) problems.push(withLine(problem, document, lines));
        continue;
      }
      const twin = jobs.find((job) => job.name === checked.name && job.namespace === checked.namespace);
      if (twin === undefined) jobs.push(checked);
      else {
        const message = `the name "${checked.name}" is already used in ${twin.file}; give one of the jobs another name`;
        problems.push(withLine({ file: path, field: 'metadata.name', message }, document, lines));
      }
    }
    if (jobs.length + problems.length === found) {
      problems.push({ file: path, message: `holds no ${resource.kind}` });
    }
  }
  return { jobs, problems };
}

function checkDocument(
  file: string,
  raw: unknown,
  exists: (path: string) => boolean,
): Manifest | { problems: ManifestProblem[] } {
  const kind = (raw as { kind?: unknown }).kind;
  if (typeof kind === 'string' && kind !== resource.kind) {
    const message = `is ${kind}, but only ${resource.kind} can be run here; apply it with kubectl to a cluster of hayate up`;
    return { problems: [{ file, field: 'kind', message }] };
  }
  const checked = validateTrainingJob(raw);
  if (!checked.ok) return { problems: checked.problems.map((problem) => ({ file, ...problem })) };
  const { metadata } = checked.job;
  const object = structuredClone(raw) as TrainingJob;
  const { program } = object.spec.training;
  if (program.module !== undefined && !isAbsolute(program.module)) {
    program.module = resolve(dirname(file), program.module);
    if (!exists(program.module)) {
      const message = `${program.module} does not exist; a relative path counts from the manifest`;
      return { problems: [{ file, field: 'spec.training.program.module', message }] };
    }
  }
  return { file, namespace: object.metadata.namespace ?? 'default', name: metadata.name, object };
}

/** Adds the line of the field, or of the nearest thing around it that is there. */
function withLine(problem: ManifestProblem, document: Document.Parsed, lines: LineCounter): ManifestProblem {
  const path = (problem.field ?? '').match(/[^.[\]]+/g) ?? [];
  for (let length = path.length; length >= 0; length--) {
    const keys = path.slice(0, length).map((key) => (/^\d+$/.test(key) ? Number(key) : key));
    const node = length === 0 ? document.contents : document.getIn(keys, true);
    if (isNode(node) && node.range) return { ...problem, line: lines.linePos(node.range[0]).line };
  }
  return problem;
}

/** `job.yaml:12: spec.workers.replicas is 0; it must be …`: where, which field, what is wrong. */
export function problemLine({ file, line, field = '', message }: ManifestProblem): string {
  const place = line === undefined ? file : `${file}:${line}`;
  return field === '' || message.startsWith(field) ? `${place}: ${message}` : `${place}: ${field}: ${message}`;
}
