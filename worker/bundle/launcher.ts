import { appFolder, cudaFolder } from './plan.ts';

/** Names of `./hayate`'s commands and the modules that they run. */
export const commands: Readonly<Record<string, string>> = {
  bench: 'test/bench/main.ts',
  worker: 'worker/main.ts',
  doctor: 'worker/engine/native/main.ts doctor',
  'link-cuda': 'worker/engine/native/main.ts link-cuda',
};

/** The script at the bundle's top: everything that it starts finds its libraries beside it, wherever the bundle lies. */
export function launcherScript(usesHostCuda: boolean): string {
  const cases = Object.entries(commands).map(([name, entry]) => `  ${name}) set -- "$app"/${entry} "$@" ;;`);
  // Libraries that are packed find each other; in LD_LIBRARY_PATH they would also stand before those of other programs
  // that a benchmark starts.
  const hostCuda = usesHostCuda
    ? `export LD_LIBRARY_PATH="$here/${cudaFolder}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"\n`
    : '';
  return `#!/bin/sh
# Runs a part of Hayate on the Node, the engine and the libraries of this folder.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
app=$here/${appFolder}
export XDG_CACHE_HOME="$here/cache"
${hostCuda}export PATH="$here/bin:$PATH"
command=\${1:-}
[ $# -eq 0 ] || shift
case $command in
${cases.join('\n')}
  node) ;;
  *)
    echo "usage: ./hayate ${Object.keys(commands).join(' | ')} | node [arguments]" >&2
    exit 2 ;;
esac
exec "$here/bin/node" "$@"
`;
}
