# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A project of a few files to let the scripts loose on: `fresh` makes one below $WORK, with a source archive of its own.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
. "$TOP/scripts/lib/common.sh"
. "$TOP/scripts/lib/tap.sh"
SELF=tests/scripts
set +e      # the tests look at every result themselves

# In memory where there is room: the tests write many small files, and wait for the disk otherwise.
if [ -z "${TMPDIR:-}" ] && [ "$(stat -f -c '%T %a' /dev/shm 2>/dev/null | awk '$1 == "tmpfs" && $2 > 100000')" ]; then TMPDIR=/dev/shm; fi
WORK=$(mktemp -d "${TMPDIR:-/tmp}/scripts-test.XXXXXX")
cleanup_add "$WORK"
# Neither the caller's settings nor its git identity may matter.
unset SOURCE_CACHE QEMU_CONFIGURE_FLAGS GIT_DIR GIT_WORK_TREE
export HOME=$WORK GIT_CONFIG_NOSYSTEM=1

# --- the source archive ---------------------------------------------------------------------------------------
make_archives()
{
    local top=$WORK/archive/qemu-10.0.13
    mkdir -p "$top"/{migration,scripts,pc-bios} "$WORK/archive/debian/patches" "$WORK/sources"
    echo 10.0.13 >"$top/VERSION"
    printf 'int main(void)\n{\n    return 0;\n}\n' >"$top/migration/migration.c"
    printf 'one\ntwo\nthree\nfour\nfive\n' >"$top/migration/lines.txt"
    printf '*.hidden\n' >"$top/.gitignore"
    echo kept >"$top/migration/bundled.hidden"
    printf 'print "total: 0 errors, 0 warnings, 1 lines checked\\n" if join(" ", @ARGV) =~ /--no-signoff/;\n' >"$top/scripts/checkpatch.pl"
    head -c 3000000 /dev/urandom >"$top/pc-bios/big.bin"
    # A "configure" that writes the ninja file of a program which prints a version.
    cat >"$top/configure" <<'CONFIGURE'
#!/bin/sh
[ ! -e "$(dirname "$0")/fail-configure" ] || { echo "ERROR: a library is missing"; exit 1; }
mkdir -p tests/qtest
cat >build.ninja <<NINJA
rule cc
  command = cc -o \$out \$in
build qemu-system-x86_64: cc $(dirname "$0")/migration/migration.c
build tests/qtest/migration-test: cc $(dirname "$0")/migration/migration.c
NINJA
CONFIGURE
    chmod +x "$top/configure"
    cat >"$WORK/archive/debian/patches/one.patch" <<'PATCH'
--- a/migration/lines.txt
+++ b/migration/lines.txt
@@ -1,5 +1,5 @@
 one
 two
-three
+Three, by Debian
 four
 five
PATCH
    echo one.patch >"$WORK/archive/debian/patches/series"
    printf 'qemu (1:10.0.13-1) trixie; urgency=low\n\n -- A <a@example.org>  Sat, 01 Aug 2026 10:00:00 +0000\n' \
        >"$WORK/archive/debian/changelog"
    tar -C "$WORK/archive" -cJf "$WORK/sources/qemu_10.0.13.orig.tar.xz" qemu-10.0.13
    tar -C "$WORK/archive" -cJf "$WORK/sources/qemu_10.0.13-1.debian.tar.xz" debian
}

# --- the project ----------------------------------------------------------------------------------------------
make_template()
{
    local root=$WORK/template
    mkdir -p "$root/patches/qemu" "$root/migration-policy/sim"
    cp -r "$TOP/scripts" "$root/"
    echo 'int policy;' >"$root/migration-policy/policy.c"
    echo '/* the trace writer */' | tee "$root/migration-policy/sim/trace.h" >"$root/migration-policy/sim/trace-write.c"
    echo "mig_policy_files = files('policy.c')" >"$root/migration-policy/meson.build"
    echo '# none' >"$root/patches/qemu/series"
    cat >"$root/patches/qemu/UPSTREAM" <<UPSTREAM
version=10.0.13
debian_source=qemu
debian_version=1:10.0.13-1
debian_suites=trixie
orig=qemu_10.0.13.orig.tar.xz
orig_sha256=$(sha256_of "$WORK/sources/qemu_10.0.13.orig.tar.xz")
debian=qemu_10.0.13-1.debian.tar.xz
debian_sha256=$(sha256_of "$WORK/sources/qemu_10.0.13-1.debian.tar.xz")
base_commit=none
UPSTREAM
}

# fresh: a new project; sets ROOT and leaves us in it.
fresh()
{
    [ -z "${ROOT:-}" ] || rm -rf "$ROOT"
    ROOT=$(mktemp -d "$WORK/root.XXXXXX")
    cp -a "$WORK/template/." "$ROOT/"
    cd "$ROOT" || return 1
}

# ready: a new project that is set up already, as most tests want it.
ready()
{
    fresh && cp -a "$WORK/ready" build
}

# with_sources COMMAND...: the archives at hand.
with_sources() { SOURCE_CACHE=$WORK/sources "$@"; }

setup() { with_sources scripts/setup --no-packages "$@"; }

# more_case: a test that a quick run leaves out.
more_case() { [ -n "${QUICK:-}" ] || tap_case "$@"; }

# --- looking at results ---------------------------------------------------------------------------------------
# fails PATTERN COMMAND...: it fails, the last thing it says on stderr is one error line, and that matches.
fails()
{
    local pattern=$1 last rc
    shift
    "$@" >"$WORK/out" 2>"$WORK/err"
    rc=$?
    cat "$WORK/out" "$WORK/err"
    [ "$rc" -ne 0 ] || { echo "it succeeded: $*"; return 1; }
    last=$(tail -n 1 "$WORK/err")
    [[ $last =~ ^scripts/[a-z-]+:\ error:\  ]] || { echo "its last line is no error line: $last"; return 1; }
    [ "$(grep -c 'error: ' "$WORK/err")" -ge 1 ] && [[ $last =~ $pattern ]] || { echo "it does not match '$pattern': $last"; return 1; }
}

# nothing_left: no tree, nothing half-done; logs, locks and caches are no leftovers.
nothing_left()
{
    local left
    left=$(ls -A build 2>/dev/null | grep -vE '^(logs|cache|apt|\.lock-.*)$')
    [ -z "$left" ] || { echo "left behind: $left"; return 1; }
}

head_of() { git -C build/qemu-src rev-parse HEAD; }

# commit_change TEXT: a developer's commit in the tree.
commit_change()
{
    echo "$1" >>build/qemu-src/migration/lines.txt
    git -C build/qemu-src -c user.name=Dev -c user.email=dev@example.org commit -qam "migration: $1

It is needed." 
}

# a_patch: makes the series one patch long, with a cover letter.
a_patch()
{
    commit_change "${1:-change}" && scripts/refresh-patches qemu && echo 'What it is for.' >patches/qemu/0000-cover-letter
}

# stub NAME: a command of that name, before all others in the PATH of what follows; its script comes on stdin.
stub()
{
    mkdir -p "$ROOT/stubs"
    { echo '#!/bin/bash'; cat; } >"$ROOT/stubs/$1"
    chmod +x "$ROOT/stubs/$1"
    PATH=$ROOT/stubs:${PATH#"$ROOT/stubs:"}
}

make_archives
make_template
# The pinned base commit, as setup itself names it when it is not the one it should be: this is a test, too.
fresh
fails 'the base commit is [0-9a-f]{40}, not the one' setup >"$WORK/first" ||
    { cat "$WORK/first"; die "setup does not check the base commit"; }
sed -i "s/^base_commit=.*/base_commit=$(grep -oE '[0-9a-f]{40}' "$WORK/err" | head -n 1)/" "$WORK/template/patches/qemu/UPSTREAM"
fresh && setup >/dev/null && mv build "$WORK/ready" || die "setup does not work at all: run scripts/test --only faults"
cd "$TOP" || exit 1
