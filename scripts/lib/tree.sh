# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The git tree a series lives in: build/PROJECT-src. Tag "base" is the unpacked archive, branch "convergence" the
# series on top. .git/convergence says what it was made from, so that a rerun knows whether anything is to be done.

# Fixed identity and dates: the same archive and series give the same commits on every machine.
TREE_NAME=convergence-policies
TREE_EMAIL=
TREE_BRANCH=convergence

tree_dir() { printf '%s/%s-src\n' "$BUILD" "$1"; }

# git with no configuration but the repository's own: a user's hooks, signing or line endings must change nothing.
tree_git()
{
    GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_CEILING_DIRECTORIES=$BUILD GIT_TERMINAL_PROMPT=0 \
    GIT_COMMITTER_NAME=$TREE_NAME GIT_COMMITTER_EMAIL=$TREE_EMAIL \
        env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE git "$@"
}

stamp_get() { sed -n "s/^$2=//p" "$1/.git/convergence" 2>/dev/null || true; }

# stamp_write TREE KEY=VALUE...: replaces the stamp in one step.
stamp_write()
{
    local tree=$1
    shift
    printf '%s\n' "$@" >"$tree/.git/convergence.new" && mv -f "$tree/.git/convergence.new" "$tree/.git/convergence"
}

# series_id PROJECT: one hash over the names and contents of the listed patches.
series_id()
{
    local patch list
    list=$(series_patches "$1")
    for patch in $list; do
        [ -r "$patch" ] || die "patches/$1/series lists $(basename "$patch"), which is not there"
    done
    for patch in $list; do
        printf '%s %s\n' "$(sha256_of "$patch")" "$(basename "$patch")"
    done | sha256sum | cut -d ' ' -f 1
}

# tree_import TREE VERSION DATE WHAT [UNTRACKED]: makes TREE, an unpacked source, a git tree with the tag base. The
# folder UNTRACKED stays out of it: a submodule of the project's, whose files its own checks do not look at.
tree_import()
{
    local tree=$1 version=$2 date=$3 what=$4 untracked=${5:-}
    # Chained: its caller looks at the result, and set -e does not hold then. "add -f": an ignore file of the
    # project's hides bundled subprojects that the archive has.
    tree_git init -q --object-format=sha1 -b "$TREE_BRANCH" "$tree" &&
    tree_git -C "$tree" config core.autocrlf false &&
    tree_git -C "$tree" config gc.auto 0 &&
    tree_git -C "$tree" config commit.gpgSign false &&
    { [ -z "$untracked" ] || { mkdir -p "$tree/.git/info" && echo "/$untracked" >>"$tree/.git/info/exclude"; }; } &&
    tree_git -C "$tree" add -f -A -- . ${untracked:+":(exclude)$untracked"} &&
    GIT_AUTHOR_NAME=$TREE_NAME GIT_AUTHOR_EMAIL=$TREE_EMAIL GIT_AUTHOR_DATE=$date GIT_COMMITTER_DATE=$date \
        tree_git -C "$tree" commit -q -m "$version" -m "The base of the series: the archive as unpacked$what." &&
    tree_git -C "$tree" tag base
}

# tree_worktree TREE DIR PATCH...: a worktree of base at DIR with only those files in it that the patches touch. git
# takes the others as unchanged; ten thousand files written and removed again would take most of a check's time.
tree_worktree()
{
    local tree=$1 dir=$2
    shift 2
    tree_git -C "$tree" worktree prune &&
    tree_git -C "$tree" worktree add -q --no-checkout --detach "$dir" base &&
    tree_git -C "$dir" read-tree base || return 1
    : >"$dir.touched"
    [ $# -eq 0 ] || sed -n 's|^diff --git a/\(.*\) b/\(.*\)$|\1\n\2|p' "$@" | sort -u | tr '\n' '\0' >"$dir.touched"
    tree_git -C "$dir" ls-files -z | sort -z >"$dir.all"
    comm -z -23 "$dir.all" "$dir.touched" | tree_git -C "$dir" update-index -z --skip-worktree --stdin &&
    comm -z -12 "$dir.all" "$dir.touched" | tree_git -C "$dir" checkout-index -q -z --stdin
}

# tree_am WORKTREE PROJECT: the series by git am; fails on any fuzz. Its log: $LOGS/am.log.
tree_am()
{
    local worktree=$1 patches
    mapfile -t patches < <(series_patches "$2")
    [ "${#patches[@]}" -gt 0 ] || return 0
    run_logged "applying ${#patches[@]} patches" "$LOGS/am.log" \
        tree_git -C "$worktree" am -q --committer-date-is-author-date --no-3way --keep-cr "${patches[@]}"
}

# tree_series_commit TREE PROJECT: sets SERIES_COMMIT to base + series, made in a throw-away worktree.
tree_series_commit()
{
    local tree=$1 project=$2 scratch patches
    mapfile -t patches < <(series_patches "$project")
    scratch=$(mktemp -d "$BUILD/am.XXXXXX")
    cleanup_add "$scratch"
    tree_worktree "$tree" "$scratch/tree" ${patches[@]+"${patches[@]}"} 2>"$LOGS/am.log" || return 1
    if ! tree_am "$scratch/tree" "$project"; then
        tree_git -C "$tree" worktree remove --force "$scratch/tree"
        return 1
    fi
    SERIES_COMMIT=$(tree_git -C "$scratch/tree" rev-parse HEAD)
    tree_git -C "$tree" worktree remove --force "$scratch/tree"
    rm -rf "$scratch"
}

# tree_own_work TREE: says in words what a developer has there that no stamp knows of; nothing if none.
tree_own_work()
{
    local tree=$1 head
    head=$(stamp_get "$tree" head)
    # An interrupted update of ours is not the developer's work; it is simply done again.
    [ -z "$(stamp_get "$tree" updating)" ] || return 0
    if [ "$(tree_git -C "$tree" rev-parse HEAD)" != "$head" ]; then
        printf 'commits of its own'
    elif [ -n "$(tree_git -C "$tree" status --porcelain | head -n 1)" ]; then
        printf 'uncommitted changes'
    fi
}
