#!/bin/sh
# Builds the control plane of Kubernetes for `make test-k8s`, from Debian's sources, into FOLDER/bin:
# etcd, kube-apiserver, kube-controller-manager, kube-scheduler. Five minutes on two cores, once.
# Everything stays below FOLDER: no rights of an administrator, no package is installed on the machine.
#
# Usage: scripts/kubernetes.sh FOLDER
set -eu

SUITE=bookworm
PROGRAMS="kube-apiserver kube-controller-manager kube-scheduler"

folder=$1
mkdir -p "$folder" && cd "$folder" && folder=$(pwd)
if [ -e bin/.ready ]; then exit 0; fi
for needed in apt-get dpkg-source make gcc; do
  command -v "$needed" >/dev/null || { echo "kubernetes.sh: $needed is missing; install apt, dpkg-dev and build-essential (Debian)"; exit 1; }
done
# The machine's own mirror, unless another one is named.
MIRROR=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $SUITE" | head -n 1)}
[ -n "$MIRROR" ] || { echo "kubernetes.sh: this machine's apt has no $SUITE; name a mirror of it with DEBIAN_MIRROR=URL"; exit 1; }
echo "kubernetes.sh: building $PROGRAMS (5 to 10 minutes, once); log: $folder/build.log"
exec 3>&1 >"$folder/build.log" 2>&1
trap 'test $? = 0 || { echo "kubernetes.sh: failed; the last lines of $folder/build.log:"; tail -5 "$folder/build.log"; } >&3' EXIT

# A package index of our own, so that neither sources.list nor an administrator are needed.
mkdir -p apt/lists/partial apt/archives/partial apt/debs debian bin
cat >apt/sources.list <<LIST
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $MIRROR $SUITE main
deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $MIRROR $SUITE main
LIST
apt() {
  apt-get -q -o Dir::Etc::sourcelist="$folder/apt/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State::lists="$folder/apt/lists" -o Dir::Cache="$folder/apt" -o Debug::NoLocking=1 \
    -o APT::Sandbox::User="$(id -un)" "$@"
}
apt update
(cd apt/debs && apt download golang-1.19-go golang-1.19-src etcd-server rsync libpopt0 golang-github-modern-go-reflect2-dev)
for deb in apt/debs/*.deb; do dpkg-deb -x "$deb" debian; done
cp debian/usr/bin/etcd bin/

rm -rf source && mkdir source
(cd source && apt source --download-only kubernetes && dpkg-source --no-check -x ./*.dsc tree)
cd source/tree
# reflect2 1.0.1, which the sources bring, crashes under Go 1.18 and newer when custom resources are served.
rm -rf vendor/github.com/modern-go/reflect2
cp -RL "$folder/debian/usr/share/gocode/src/github.com/modern-go/reflect2" vendor/github.com/modern-go/
mkdir -p .go/src/k8s.io && ln -sfn ../../.. .go/src/k8s.io/kubernetes

export GOROOT="$folder/debian/usr/lib/go-1.19" GOPATH="$PWD/.go" GOCACHE="$folder/gocache"
export GOFLAGS=-mod=vendor GOPROXY=off CGO_ENABLED=0
export PATH="$GOROOT/bin:$folder/debian/usr/bin:$PATH"
export LD_LIBRARY_PATH="$folder/debian/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)"
what=""
for program in $PROGRAMS; do what="$what cmd/$program"; done
cd .go/src/k8s.io/kubernetes && make all WHAT="$what"
for program in $PROGRAMS; do cp _output/bin/"$program" "$folder/bin/"; done
cd "$folder" && rm -rf source gocache apt debian && touch bin/.ready
echo "kubernetes.sh: built" >&3
