#!/bin/bash
# Start a cluster, run SQL on it, and ask it with curl what it did: for scripts in any language, and for monitoring.
# Needs `partita`, curl and jq.
set -euo pipefail

export PARTITA_LOG=warn
name=rest-example-$$
home=${PARTITA_HOME:-$HOME/.partita}

partita scheduler --port 0 --host 127.0.0.1 --name "$name" --no-journal &
# Whatever happens below, the cluster ends with this script.
trap 'partita shutdown --cluster "$name" >shutdown.txt; wait' EXIT
partita worker --nworkers 2 --nthreads 1 --cluster "$name" &
partita wait --workers 2 --cluster "$name"

scheduler=$(jq -r .address "$home/$name.json")
# curl reads the header from a pipe: on its command line, other users could see the token.
ask() {
  jq -r '"Authorization: Bearer " + .token' "$home/$name.json" |
    curl -sS --fail-with-body --cacert "$home/$name.pem" --connect-to "::$scheduler" -H @- "https://partita$1"
}

partita sql --cluster "$name" "copy (select value as id, value % 7 as day, value * 0.5 as amount
  from generate_series(1, 100000)) to 'sales' stored as parquet"
partita sql --cluster "$name" --output csv "select day, count(*) as sales, sum(amount) as total from 'sales'
  group by day order by day"

echo "workers: $(ask /api/v2/workers?state=up | jq -r '.workers | map(.slots) | "\(length) with \(add) slots"')"
ask '/api/v2/jobs?state=done&limit=2' | jq -r '.jobs[] | "\(.name) \(.state): \(.rows) rows, \(.stages) stages"'
ask /metrics | grep -c '^partita_'
