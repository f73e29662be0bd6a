#!/bin/sh
# Plays a server and two machines in three folders of this one, which share nothing but the network:
# server/ has the swarm's state and a bare repository, machine-a/ and machine-b/ have a worker each.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=${1:?usage: play.sh FOLDER, which must not exist}
mkdir "$top"
cd "$top"
top=$(pwd)
mkdir server machine-a machine-b

# What one of the machines runs: its home and its state are in its own folder.
on() {
    folder=$top/$1
    shift
    (cd "$folder" && exec env HOME="$folder" XDG_STATE_HOME="$folder/state" "$@")
}

# 1. The repository, bare, with one commit on main.
git init -q --bare -b main server/project.git
tree=$(git --git-dir server/project.git mktree < /dev/null)
first=$(git --git-dir server/project.git -c user.name=me -c user.email=me@example.invalid \
    commit-tree "$tree" -m "An empty project")
git --git-dir server/project.git update-ref refs/heads/main "$first"

# 2. A certificate of the server. The machines get the public half.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=localhost" \
    -addext "subjectAltName=DNS:localhost" -keyout server/key.pem -out server/cert.pem 2> server/openssl.log
cp server/cert.pem machine-a/server.pem
cp server/cert.pem machine-b/server.pem

# 3. The server, with TLS. Its first line of output says at which port it answers.
on server swarmd --listen localhost:0 --dashboard off --db swarm.db --tls-cert cert.pem --tls-key key.pem \
    > server/out 2> server/log &
programs=$!
trap 'kill $programs 2> /dev/null || true; wait' EXIT
tries=0
until grep -q '^swarmd ready' server/out; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] && kill -0 "$programs" || { cat server/log >&2; exit 1; }
    sleep 0.1
done
address=$(sed -n 's/^swarmd ready.* grpc=\([^ ]*\).*/\1/p' server/out)

ctl() {
    on server swarmctl --server "$address" --tls-ca cert.pem --token-file token "$@"
}

# 4. A token for each machine: it may work, and give no orders.
for machine in a b; do
    (umask 077 && ctl token create --role worker --name "machine-$machine" > "machine-$machine/token")
done

# 5. The plan, and a worker on each machine.
ctl import "$here/tasks.yaml"
workers=
for machine in a b; do
    on "machine-$machine" swarm-worker --server "$address" --tls-ca server.pem --token-file token \
        --repo "file://$top/server/project.git" --name "$machine" --label "machine=$machine" --exit-when-done \
        --runner command --no-validation --builder-command "$here/agent.sh" \
        > "machine-$machine/out" 2> "machine-$machine/log" &
    workers="$workers $!"
    programs="$programs $!"
done
for worker in $workers; do
    wait "$worker"
done

# 6. The result: both tasks are on the target branch of the bare repository.
ctl list
git --git-dir server/project.git log --reverse --format='%h %s' swarm/main
echo "sum: $(git --git-dir server/project.git show swarm/main:data/SUM)"
