#!/bin/sh
# Starts a node in a container; on an empty volume a new one, with the agreement that is named.
set -eu
NODE=${NODE:-/var/lib/tieout/node}
AGREEMENT=${AGREEMENT:-/opt/tieout/share/fund-subscription.toml}
[ -e "$NODE/node.toml" ] || tieout node init "$NODE" --agreement "$AGREEMENT"
exec tieout node run "$NODE"
