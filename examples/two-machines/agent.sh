#!/bin/sh
# Stands in for an agent that builds the tasks of tasks.yaml. The working directory is the task's own clone.
set -eu
mkdir -p data
case $SWARM_TASK_ID in
numbers) seq 1 100 > data/numbers ;;
sum) awk '{ total += $1 } END { print total }' data/numbers > data/SUM ;;
*) echo "agent.sh: this example can't build '$SWARM_TASK_ID'" >&2; exit 1 ;;
esac
