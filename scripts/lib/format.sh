# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Patches as files: one way to write them, so that the same commits give the same bytes with any git, anywhere.

# format_patches TREE RANGE OUTPUT: writes OUTPUT/NNNN-subject.patch. Every option that a git version or a user's
# configuration could choose otherwise is spelled out; no commit id, version or total count enters a patch,
# so that changing one patch changes one file.
format_patches()
{
    tree_git -C "$1" -c core.quotePath=true -c core.abbrev=40 -c core.attributesFile=/dev/null -c i18n.logOutputEncoding=UTF-8 \
        format-patch --quiet --output-directory "$3" --zero-commit --no-signature --full-index \
        --patch --stat=72,50 --stat-graph-width=20 --summary \
        --no-numbered --start-number=1 --subject-prefix=PATCH --suffix=.patch --filename-max-length=64 \
        --no-attach --no-thread --no-cover-letter --no-base --no-from --no-notes --no-signoff --no-to --no-cc \
        --no-add-header --encode-email-headers --no-color --no-ext-diff --no-textconv --binary --find-renames=50% \
        --diff-algorithm=myers --indent-heuristic --unified=3 --inter-hunk-context=0 --src-prefix=a/ --dst-prefix=b/ \
        "$2"
}

# series_write DIR: the series file's text for the patches in DIR.
series_write()
{
    printf '# In order of application; written by scripts/refresh-patches.\n'
    find "$1" -maxdepth 1 -name '[0-9]*.patch' -printf '%f\n' | sort
}
