# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The Test Anything Protocol, for checks that are shell functions.

TAP_COUNT=0
TAP_FAILED=0
TAP_LAST=

# tap_case NAME FUNCTION ARGS...: one test. What it prints becomes a comment; returning 77 is a skip, its last line the reason.
# The function runs in this shell without set -e: it returns non-zero itself.
tap_case()
{
    local name=$1 output rc=0
    shift
    TAP_COUNT=$((TAP_COUNT + 1))
    output=$(mktemp "${TMPDIR:-/tmp}/tap.XXXXXX")
    cleanup_add "$output"
    "$@" >"$output" 2>&1 || rc=$?
    case $rc in
        0) TAP_LAST=ok; printf 'ok %d - %s\n' "$TAP_COUNT" "$name" ;;
        77) TAP_LAST=skip; printf 'ok %d - %s # SKIP %s\n' "$TAP_COUNT" "$name" "$(tail -n 1 "$output")" ;;
        *)
            TAP_LAST=fail
            TAP_FAILED=$((TAP_FAILED + 1))
            sed 's/^/# /' "$output"
            printf 'not ok %d - %s\n' "$TAP_COUNT" "$name"
            ;;
    esac
    rm -f "$output"
}

tap_end()
{
    printf '1..%d\n' "$TAP_COUNT"
    [ "$TAP_FAILED" -eq 0 ] || exit 1
}
