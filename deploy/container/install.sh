#!/bin/sh
# Installs the package with EXTRAS into /opt/swarm, for the stages of the Containerfile.
# Bytecode is compiled here, since the root of a container may be read-only. Its validity depends on no file time.
#
# Usage: install.sh EXTRAS
set -eu
python3 -m venv --without-pip /opt/swarm
/pip/bin/pip --python /opt/swarm/bin/python install --no-index --find-links /wheels --no-compile "amplifier-swarm[$1]"
/opt/swarm/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/swarm/lib
