#!/bin/sh
# A node from nothing: made, run, two records of one order published, and what became of them.
# Needs tieout and curl on the path. Everything is in a folder of its own, which is removed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
port=${1:-8300}
url=http://127.0.0.1:$port

tieout node init "$folder/node" --agreement "$here/fund-subscription.toml"
TIEOUT_LISTEN_PORT=$port tieout node run "$folder/node" 2>"$folder/log" &
node=$!
trap 'kill $node; wait $node; rm -rf "$folder"' EXIT

tries=0
until curl --silent --fail --output "$folder/ready" "$url/readyz"; do
    tries=$((tries + 1))
    if [ $tries -gt 300 ]; then cat "$folder/log" >&2; exit 1; fi
    sleep 0.2
done
token=$(tieout node token "$folder/node" orders --role operator)

publish() {  # role, record
    curl --silent --fail-with-body -H "Authorization: Bearer $token" \
        -H "Content-Type: application/json" \
        "$url/v1/agreements/fund-subscription/records?role=$1" --data "$2"
    echo
}

publish seller '{"transaction_id": "ORD-1", "fund": "110022", "currency": "CNY",
    "amount": "100.00", "shares": "95.2381", "trade_date": "2026-03-02"}'
publish bank '{"transaction_id": "ORD-1", "fund": "110022", "currency": "CNY",
    "amount": "99.00", "trade_date": "2026-03-02"}'
curl --silent --fail -H "Authorization: Bearer $token" \
    "$url/v1/agreements/fund-subscription/transactions/ORD-1"
echo
