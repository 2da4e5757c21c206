import type { TrainingProgram } from './define.ts';
import { ConfigurationError } from './program-error.ts';

/** training.parameters as the program's schema reads them. Throws {@link ConfigurationError} with all problems. */
export function parseParameters(program: TrainingProgram, given: Readonly<Record<string, unknown>>): unknown {
  const schema = program.parameters;
  if (schema === undefined) return given;
  const parsed = schema.safeParse(given);
  const problems = unknownKeys(schema, given).map(
    (key) => `training.parameters.${key}: the program has no such parameter`,
  );
  for (const { path, message } of parsed.error?.issues ?? []) {
    problems.push(`${['training.parameters', ...path.map(String)].join('.')}: ${message}`);
  }
  if (problems.length > 0) throw new ConfigurationError('badParameters', problems);
  return parsed.data;
}

/** Keys that an object schema would drop without a word. */
function unknownKeys(schema: object, given: Readonly<Record<string, unknown>>): string[] {
  const { shape, def } = schema as { shape?: unknown; def?: { catchall?: unknown } };
  if (typeof shape !== 'object' || shape === null || def?.catchall !== undefined) return [];
  return Object.keys(given).filter((key) => !(key in shape));
}
