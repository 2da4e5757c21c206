import type { Piece } from './pieces.ts';

export interface UnpackFacts {
  pieces: readonly Piece[];
  /** Of the archive and of what it unpacks to. */
  bytes: number;
  /** Oldest glibc that everything in it runs with. */
  glibc: string;
}

/** Names inside of the archive. */
export const packedFolder = '.packed';
export const memberList = 'members';
export const filesMember = 'files.tar.xz';

/**
 * The script beside the pieces: joins them, compares digests, and unpacks into a folder that appears whole or not at
 * all. Needs a POSIX shell, tar, sha256sum, and xz or python3.
 */
export function unpackScript({ pieces, bytes, glibc }: UnpackFacts): string {
  return `#!/bin/sh
# usage: sh unpack.sh TARGET [FOLDER...]   TARGET: a new folder; pieces are searched beside this script and in FOLDERs
set -eu
fail() { echo "$1" >&2; exit 1; }
[ $# -ge 1 ] || fail "usage: sh unpack.sh TARGET [FOLDER...]"
target=$1
shift
set -- "$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)" "$@"
[ ! -e "$target" ] || rmdir -- "$target" 2>/dev/null || fail "$target is not empty; give the name of a new folder."
for tool in tar sha256sum; do
  command -v $tool >/dev/null || fail "$tool is missing; install it."
done
if command -v xz >/dev/null; then
  expand() { xz -T0 -dc "$1"; }
elif command -v python3 >/dev/null; then
  expand() {
    python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), sys.stdout.buffer, 1 << 24)' "$1"
  }
else
  fail "xz is missing, and python3 too; install one of them."
fi
needed=${glibc}
found=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^glibc //') || found=
if [ "$(printf '%s\\n%s\\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
  fail "The C library must be glibc $needed or newer, here it is \${found:-another one}; use a newer Linux."
fi
partial=$target.partial
rm -rf -- "$partial"
mkdir -p -- "$partial"
running=
trap 'kill $running 2>/dev/null || true; wait; rm -rf -- "$partial"' EXIT
trap 'exit 1' HUP INT TERM
free=$(df -Pk -- "$partial" | awk 'NR == 2 { print $4 }')
[ "$free" -ge ${Math.ceil(bytes / 1024)} ] || fail "Unpacking needs ${Math.ceil(bytes / 2 ** 20)} MiB of disk and $((free / 1024)) MiB are free; make room."

list=$partial/pieces
while read -r digest piece; do
  for folder; do
    [ ! -f "$folder/$piece" ] || break
  done
  [ -f "$folder/$piece" ] || fail "$piece is missing; put it beside this script, or name its folder."
  echo "$digest  $folder/$piece" >>"$list"
done <<'EOF'
${pieces.map(({ sha256, name }) => `${sha256} ${name}`).join('\n')}
EOF
sha256sum -c "$list" >"$partial/digests" 2>/dev/null ||
  fail "$(grep -v ': OK$' "$partial/digests" | cut -d: -f1 | tr '\\n' ' ')is damaged; carry it here again."
while read -r digest file; do cat "$file"; done <"$list" | tar -xf - -C "$partial"
rm -f "$list" "$partial/digests"

packed=$partial/${packedFolder}
expand "$packed/${filesMember}" | tar -xf - -C "$partial"
collect() {
  for child in $running; do wait "$child" || fail "A member of the archive cannot be unpacked; is the disk full?"; done
  running=
}
count=0
while read -r member file; do
  mkdir -p -- "$(dirname -- "$partial/$file")"
  { expand "$packed/$member" >"$partial/$file" && chmod 755 "$partial/$file" && rm "$packed/$member"; } &
  running="$running $!"
  count=$((count + 1))
  [ $((count % 4)) -ne 0 ] || collect
done <"$packed/${memberList}"
collect
rm -rf -- "$packed"
mv -- "$partial" "$target"
trap - EXIT
echo "ready: $target/hayate"
`;
}
