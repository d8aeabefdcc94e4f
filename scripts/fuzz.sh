#!/bin/sh
# Runs every fuzz target of the module for a bounded time, one after the other.
# Usage: scripts/fuzz.sh [TIME]
set -eu
cd "$(dirname "$0")/.."
time=${1:-20s}

go list -f '{{.ImportPath}}' ./... | while read -r package; do
    go test -run '^$' -list '^Fuzz' "$package" | grep '^Fuzz' | while read -r target; do
        echo "fuzz: $package $target"
        # Minimizing an interesting input may otherwise take the whole time.
        go test -run "^\$" -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" </dev/null
    done
done
