import { parseArgs } from 'node:util';

/** What a person asked for. */
export type Command =
  | { kind: 'start'; directory: string; json: boolean }
  | { kind: 'run'; directory: string; json: boolean; keep: boolean; files: string[] }
  | { kind: 'up'; directory: string; port: number }
  | { kind: 'validate'; files: string[] }
  | { kind: 'plan'; files: string[]; json: boolean; workspaceMib: number }
  | { kind: 'help'; topic: CommandName | undefined }
  | { kind: 'version' };

export type CommandName = 'start' | 'run' | 'up' | 'validate' | 'plan' | 'help';

export type ParsedCommand = { ok: true; command: Command } | { ok: false; sentence: string };

/** First port that `hayate up` tries by default; a kubeconfig that stays the same is worth more than any free port. */
export const defaultPort = 7080;

const defaultDirectory = '.hayate';

interface Shape {
  options: Readonly<Record<string, 'string' | 'boolean'>>;
  operands: 'none' | 'files' | 'topic';
}

const shapes: Readonly<Record<CommandName, Shape>> = {
  start: { options: { json: 'boolean', directory: 'string' }, operands: 'none' },
  run: { options: { json: 'boolean', keep: 'boolean', directory: 'string' }, operands: 'files' },
  up: { options: { port: 'string', directory: 'string' }, operands: 'none' },
  validate: { options: {}, operands: 'files' },
  plan: { options: { json: 'boolean', 'workspace-mib': 'string' }, operands: 'files' },
  help: { options: {}, operands: 'topic' },
};

const commandNames = Object.keys(shapes) as CommandName[];

/** Reads the arguments after `hayate`. What is wrong is said in one sentence, with the nearest right word. */
export function parseCommand(args: readonly string[]): ParsedCommand {
  const [first, ...rest] = args;
  if (first === undefined || first === '--help' || first === '-h') return help(undefined);
  if (first === '--version') return { ok: true, command: { kind: 'version' } };
  const name = commandNames.find((c) => c === first);
  if (name === undefined) return wrong(`unknown command "${first}"`, nearest(first, commandNames));
  const { values, positionals, tokens } = parseArgs({
    args: rest,
    options: {
      ...Object.fromEntries(Object.entries(shapes[name].options).map(([option, type]) => [option, { type }])),
      help: { type: 'boolean', short: 'h' },
    },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  if (values['help'] === true) return help(name);
  for (const token of tokens) {
    if (token.kind === 'option') {
      const problem = optionProblem(name, token);
      if (problem !== undefined) return problem;
    }
  }
  return withOperands(name, values, positionals);
}

function optionProblem(
  name: CommandName,
  token: { name: string; rawName: string; value?: string | undefined },
): ParsedCommand | undefined {
  const { options } = shapes[name];
  switch (options[token.name]) {
    case undefined: {
      const near = nearest(token.name, Object.keys(options));
      return wrong(`hayate ${name} has no option ${token.rawName}`, near === undefined ? near : `--${near}`, name);
    }
    case 'boolean':
      return token.value === undefined ? undefined : wrong(`${token.rawName} takes no value`, undefined, name);
    case 'string':
      return token.value === undefined || token.value === '' || token.value.startsWith('--')
        ? wrong(`${token.rawName} needs a value`, undefined, name)
        : undefined;
    default:
      return undefined;
  }
}

function withOperands(
  name: CommandName,
  values: Record<string, string | boolean | undefined>,
  positionals: string[],
): ParsedCommand {
  const { operands } = shapes[name];
  const extra = positionals[operands === 'none' ? 0 : 1];
  if (operands !== 'files' && extra !== undefined) {
    return wrong(`hayate ${name} takes no argument "${extra}"`, undefined, name);
  }
  if (operands === 'files' && positionals.length === 0) {
    return wrong(`hayate ${name} needs a file, for example: hayate ${name} job.yaml`, undefined, name);
  }
  const directory = typeof values['directory'] === 'string' ? values['directory'] : defaultDirectory;
  const json = values['json'] === true;
  switch (name) {
    case 'start':
      return { ok: true, command: { kind: 'start', directory, json } };
    case 'run':
      return { ok: true, command: { kind: 'run', directory, json, keep: values['keep'] === true, files: positionals } };
    case 'up': {
      const port = Number(values['port'] ?? defaultPort);
      if (!Number.isInteger(port) || port < 1 || port > 65_535) {
        return wrong(`--port ${values['port']} is not a port number between 1 and 65535`, undefined, name);
      }
      return { ok: true, command: { kind: 'up', directory, port } };
    }
    case 'validate':
      return { ok: true, command: { kind: 'validate', files: positionals } };
    case 'plan': {
      const workspaceMib = Number(values['workspace-mib'] ?? 0);
      if (!Number.isFinite(workspaceMib) || workspaceMib < 0) {
        return wrong(`--workspace-mib ${values['workspace-mib']} is not a number of MiB`, undefined, name);
      }
      return { ok: true, command: { kind: 'plan', files: positionals, json, workspaceMib } };
    }
    case 'help': {
      const [asked] = positionals;
      const topic = commandNames.find((c) => c === asked);
      if (asked !== undefined && topic === undefined) {
        return wrong(`unknown command "${asked}"`, nearest(asked, commandNames));
      }
      return help(topic);
    }
    default:
      return assertNever(name);
  }
}

function help(topic: CommandName | undefined): ParsedCommand {
  return { ok: true, command: { kind: 'help', topic } };
}

function wrong(what: string, suggestion: string | undefined, topic?: CommandName): ParsedCommand {
  const see = topic === undefined ? 'hayate --help' : `hayate help ${topic}`;
  const hint = suggestion === undefined ? `see ${see}` : `did you mean ${suggestion}?`;
  return { ok: false, sentence: `${what}; ${hint}` };
}

/** The word that needs the fewest typing errors to become `word`, if it is near enough to be meant. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  let best: { word: string; edits: number } | undefined;
  for (const candidate of words) {
    const edits = editDistance(word, candidate);
    if (edits <= Math.max(1, Math.floor(candidate.length / 2)) && edits < (best?.edits ?? Number.POSITIVE_INFINITY)) {
      best = { word: candidate, edits };
    }
  }
  return best?.word;
}

/** Fewest insertions, deletions and replacements of one character that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replace));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
