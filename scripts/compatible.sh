#!/bin/sh
# Fails if the protos break what an older client or worker relies on (the rules are in buf.yaml).
#
#   compatible.sh BUF [REVISION | none]
#
# Compared with the last release; before the first one, with the point where this branch left
# origin/main; in a repository without that, with the last commit. So a clone, a first commit and a
# source archive all pass, and a break shows before it is committed. Until a release has promised
# anything, a break that is meant passes with `none`, and by itself once it is on main.
set -eu
buf=$1
against=${2:-}
if [ "$against" = none ]; then exit 0; fi
if [ -z "$against" ]; then
  against=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null) ||
    against=$(git merge-base HEAD origin/main 2>/dev/null) ||
    against=$(git rev-parse --quiet --verify HEAD 2>/dev/null) ||
    { echo "check-protos: no commit here to compare the protos with" >&2 && exit 0; }
fi
commit=$(git rev-parse --quiet --verify "$against^{commit}") ||
  { echo "check-protos: no commit $against" >&2 && exit 1; }
if ! git cat-file -e "$commit:protos" 2>/dev/null; then
  echo "check-protos: $against has no protos to compare with" >&2
  exit 0
fi
if ! "$buf" breaking --against ".git#ref=$commit"; then
  echo "check-protos: this breaks clients and workers of $(git describe --tags --always "$commit");" \
    "before a first release that may be meant: make check-protos AGAINST=none" >&2
  exit 1
fi
