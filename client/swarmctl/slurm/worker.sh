
# On another node an element is another worker: nothing there can prove that the sessions here are dead. A shared
# folder for the state, whose locks hold between nodes, can; so there the name has no node in it.
name="slurm-$SLURM_ARRAY_JOB_ID-$SLURM_ARRAY_TASK_ID"
if [ -z "$state" ]; then
    state="/tmp/swarm-worker-$(id -u)"
    name="$name-$(hostname -s)"
fi
mkdir -p -m 700 "$state" && [ -O "$state" ] || { echo "$state belongs to another user" >&2; exit 2; }
unset SWARM_TOKEN

"$@" --name "$name" --state-dir "$state" --label "partition=$SLURM_JOB_PARTITION" &
worker=$!

# USR1 comes before the time limit: the worker drains. TERM comes from scancel, from a preemption and at the limit,
# some seconds before SIGKILL: the worker ends its sessions and reports them, so their tasks are free at once.
trap 'kill -TERM "$worker"' USR1
trap 'kill -INT "$worker"' TERM
while :; do
    wait "$worker"
    code=$?
    # A trap ends the wait, but not the worker.
    kill -0 "$worker" 2>/dev/null || exit "$code"
done
