import { registerHooks } from 'node:module';

/** Packages that come with Hayate: a program may import them wherever it lies. */
const provided = /^(@hayate\/worker|zod)(\/|$)/;
let registered = false;

/** From now on modules of this thread find the provided packages here where their own folders have none. */
export function provideToPrograms(): void {
  if (registered) return;
  registered = true;
  registerHooks({
    resolve(specifier, context, next) {
      if (!provided.test(specifier)) return next(specifier, context);
      try {
        return next(specifier, context);
      } catch {
        return next(specifier, { ...context, parentURL: import.meta.url });
      }
    },
  });
}
