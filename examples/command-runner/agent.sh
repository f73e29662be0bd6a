#!/bin/sh
# Stands in for an agent: builds and judges the tasks of tasks.yaml. It shows all that the `command`
# runner asks of a program; put your own agent where `build` and `judge` are called.
set -eu

# What a worker gives: the prompt on standard input and in $SWARM_PROMPT_FILE, the task as JSON in
# $SWARM_TASK_FILE, and $SWARM_TASK_ID, $SWARM_ROLE, $SWARM_ATTEMPT. The working directory is the
# project. An agent without a use for the prompt need not read it.

# The builder: does the work. Exit 0 means built; the last JSON object on standard output, if there is
# one, is its account of the work.
build() {
    mkdir -p data
    case $SWARM_TASK_ID in
    numbers) file=data/numbers.txt; seq 1 100 > "$file" ;;
    squares) file=data/squares.txt; awk '{ print $1 * $1 }' data/numbers.txt > "$file" ;;
    evens) file=data/evens.txt; awk '$1 % 2 == 0' data/numbers.txt > "$file" ;;
    report)
        file=REPORT.md
        {
            echo "# Numbers"
            echo
            echo "- sum of the squares: $(sum data/squares.txt)"
            echo "- sum of the even numbers: $(sum data/evens.txt)"
        } > "$file"
        ;;
    *) echo "agent.sh: this example can't build '$SWARM_TASK_ID'" >&2; exit 1 ;;
    esac
    echo "I have written $file."
    printf '{"status": "completed", "files_created": ["%s"]}\n' "$file"
}

# The validator: judges the work. The last JSON object on standard output must have a verdict; without
# one the attempt has failed, whatever the exit code says.
judge() {
    case $SWARM_TASK_ID in
    numbers) expect "$(sum data/numbers.txt)" 5050 data/numbers.txt ;;
    squares) expect "$(sum data/squares.txt)" 338350 data/squares.txt ;;
    evens) expect "$(sum data/evens.txt)" 2550 data/evens.txt ;;
    report) expect "$(grep -c -e 338350 -e 2550 REPORT.md)" 2 REPORT.md ;;
    *) echo "agent.sh: there is no way to judge '$SWARM_TASK_ID'" >&2; exit 1 ;;
    esac
}

sum() {
    awk '{ total += $1 } END { print total + 0 }' "$1"
}

expect() {
    if [ "$1" = "$2" ]; then
        printf '{"verdict": "PASS", "summary": "%s is right: %s"}\n' "$3" "$1"
    else
        printf '{"verdict": "FAIL", "critical_issues": [{"file": "%s", "issue": "%s instead of %s", "severity": "critical"}]}\n' \
            "$3" "${1:-nothing}" "$2"
    fi
}

case ${SWARM_ROLE:-} in
builder) build ;;
validator) judge ;;
*) echo "agent.sh: SWARM_ROLE must be builder or validator; a swarm-worker sets it" >&2; exit 2 ;;
esac
