import { createRequire, registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

/** How a module names another one. */
export type Reference = 'import' | 'require';

/** Path of the file that `specifier` means in `from`; 'builtin' for a part of Node; undefined where there is none. */
export type Resolve = (reference: Reference, specifier: string, from: string) => string | undefined;

const question = 'resolved-for:';
let isAsking = false;

/** Node's own answer. */
export function resolveAsNode(reference: Reference, specifier: string, from: string): string | undefined {
  try {
    const found =
      reference === 'require' ? createRequire(from).resolve(specifier) : fromUrl(ask({ specifier, from: toUrl(from) }));
    return found.startsWith('/') ? found : 'builtin';
  } catch {
    return undefined;
  }
}

/** import.meta.resolve answers for the file that it stands in; a hook puts the question in another file's name. */
function ask(asked: { specifier: string; from: string }): string {
  if (!isAsking) {
    isAsking = true;
    registerHooks({
      resolve(specifier, context, next) {
        if (!specifier.startsWith(question)) return next(specifier, context);
        const { specifier: wanted, from } = JSON.parse(decodeURIComponent(specifier.slice(question.length)));
        return next(wanted, { ...context, parentURL: from });
      },
    });
  }
  return import.meta.resolve(question + encodeURIComponent(JSON.stringify(asked)));
}

function toUrl(file: string): string {
  return new URL(`file://${encodeURI(file)}`).href;
}

function fromUrl(url: string): string {
  return url.startsWith('file:') ? fileURLToPath(url) : url;
}
