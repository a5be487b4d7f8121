#!/usr/bin/env bash
# Builds the image and runs docker-compose.yml on a real engine: up, work running, a node killed, a node cut off from
# the network, down. As root. Where no image registry is reached, the base images are made here: Debian's packages
# under the names that the files ask for.
#
#   test/docker/run.sh            with an engine of its own, which it ends
#   DOCKER_HOST=... test/docker/run.sh   with one that is there, which has the base images or can fetch them
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
compose=(docker-compose)
docker compose version >/dev/null 2>&1 && compose=(docker compose)
export COMPOSE_PROJECT_NAME=xconsumertest
docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0 # the client builds as it can
say() { printf '%s  %s\n' "$(date +%T)" "$*"; }
fail() { say "FAILED: $*"; "${compose[@]}" logs --tail 20 2>/dev/null | tail -80; exit 1; }

own=
end() {
  (cd "$work/tree" 2>/dev/null && "${compose[@]}" down --volumes --timeout 30 >/dev/null 2>&1) || true
  if [ -n "$own" ]; then
    kill "$own" 2>/dev/null && wait "$own" 2>/dev/null || true
    ip link delete docker0 2>/dev/null || true
    for id in $(ip -o link show type bridge 2>/dev/null | grep -o 'br-[0-9a-f]*'); do ip link delete "$id" || true; done
    iptables-restore <"$work/firewall" # the engine leaves its chains behind, and a policy that drops what others forward
    [ -n "${forward:-}" ] && echo "$forward" >/proc/sys/net/ipv4/ip_forward
  fi
  umount "$work/rootfs/proc" 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT

if [ -z "${DOCKER_HOST:-}" ] && ! docker info >/dev/null 2>&1; then
  command -v dockerd >/dev/null || { echo "no engine: apt-get install --no-install-recommends docker.io docker-compose iptables debootstrap" >&2; exit 1; }
  forward=$(cat /proc/sys/net/ipv4/ip_forward)
  for table in filter nat; do iptables-save -t $table; done >"$work/firewall"
  export DOCKER_HOST="unix://$work/docker.sock"
  dockerd --data-root "$work/data" --exec-root "$work/exec" -H "$DOCKER_HOST" --pidfile "$work/pid" --storage-driver=overlay2 >"$work/dockerd.log" 2>&1 &
  own=$!
  for _ in $(seq 60); do docker info >/dev/null 2>&1 && break || sleep 0.5; done
  docker info >/dev/null 2>&1 || { tail "$work/dockerd.log"; exit 1; }
  say "the engine runs"
fi

have() { docker image inspect "$1" >/dev/null 2>&1; }
base() {
  have debian:bookworm-slim && return
  debootstrap --variant=minbase --include=ca-certificates bookworm "$work/rootfs" >"$work/debootstrap.log" 2>&1 || { tail "$work/debootstrap.log"; exit 1; }
  tar -C "$work/rootfs" -c . | docker import - debian:bookworm-slim >/dev/null
  say "made debian:bookworm-slim"
}
image() { # name, folder: a stand-in for an image that a registry would have
  have "$1" && return
  docker build -q --network none -t "$1" "$2" >/dev/null
  say "made $1"
}
if ! have golang:1.26-bookworm; then
  base
  mkdir -p "$work/go" && cp -r "$(go env GOROOT)" "$work/go/go"
  printf 'FROM debian:bookworm-slim\nCOPY go /usr/local/go\nENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin GOTOOLCHAIN=local\n' >"$work/go/Dockerfile"
  image golang:1.26-bookworm "$work/go"
fi
if ! have zookeeper:3.9 || ! have prom/prometheus:v3.7.3; then
  base
  mount -t proc proc "$work/rootfs/proc" # Java's package wants it
  chroot "$work/rootfs" sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends libzookeeper-java default-jre-headless prometheus' >"$work/apt.log" 2>&1 || { tail "$work/apt.log"; exit 1; }
  umount "$work/rootfs/proc"
  tar -C "$work/rootfs" -c . | docker import - stand-in >/dev/null
  mkdir -p "$work/zk" "$work/prom"
  cp "$root/test/docker/zookeeper.sh" "$work/zk/zkServer.sh"
  printf 'FROM stand-in\nCOPY zkServer.sh /usr/local/bin/\nRUN chmod +x /usr/local/bin/zkServer.sh\nCMD ["zkServer.sh", "start-foreground"]\n' >"$work/zk/Dockerfile"
  printf 'FROM stand-in\nUSER nobody\nENTRYPOINT ["prometheus", "--storage.tsdb.path=/tmp/data"]\n' >"$work/prom/Dockerfile"
  image zookeeper:3.9 "$work/zk"
  image prom/prometheus:v3.7.3 "$work/prom"
fi

git -C "$root" archive --prefix=tree/ HEAD | tar -x -C "$work"
cd "$work/tree"
go mod vendor
began=$SECONDS
docker build -q --network none -t xconsumer . >/dev/null
say "built the image in $((SECONDS - began)) s: $(docker image inspect -f '{{.Size}}' xconsumer) bytes, user $(docker image inspect -f '{{.Config.User}}' xconsumer)"
docker run --rm --read-only --cap-drop ALL xconsumer version

token=$(cat deploy/compose/admin.token)
state() { curl -s --max-time 5 -H "Authorization: Bearer $token" "http://127.0.0.1:${1:-8800}/api/v1/state"; }
# now CONDITION: a Python expression over s, the state, is true
now() { state "${2:-8800}" | python3 -c "import json,sys; s=json.load(sys.stdin); run=[w for w in s['workers'] if w['state']=='running']; nodes={n['name'] for n in s['nodes']}; on={w['node'] for w in run}; sys.exit(0 if ($1) else 1)" 2>/dev/null; }
await() { # what, seconds, condition, port
  local from=$SECONDS
  until now "$3" "${4:-8800}"; do
    [ $((SECONDS - from)) -lt "$2" ] || fail "not within $2 s: $1"
    sleep 0.3
  done
  say "$1 (after $((SECONDS - from)) s)"
}
curl -s -o /dev/null http://127.0.0.1:8800/ && fail "something listens on 8800 already"

"${compose[@]}" up -d --no-build zk1 zk2 zk3 node1 node2 node3 prometheus >"$work/up.log" 2>&1 || { tail -30 "$work/up.log"; fail "up"; }
await "compose up: 4 workers run on three nodes" 60 "len(run)==4 and nodes=={'node1','node2','node3'} and len(on)==3"
code=$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8800/api/v1/state)
[ "$code" = 401 ] || fail "without a token it answers $code"
for n in 1 2 3; do
  for _ in $(seq 60); do
    health=$(docker inspect -f '{{.State.Health.Status}}' "$("${compose[@]}" ps -q node$n)")
    [ "$health" = healthy ] && break || sleep 0.5
  done
  [ "$health" = healthy ] || fail "node$n is $health"
done
say "all nodes are healthy"
for _ in $(seq 60); do
  up=$(curl -s 'http://127.0.0.1:9090/api/v1/query?query=sum(xconsumer_ready)' | python3 -c "import json,sys; print(json.load(sys.stdin)['data']['result'][0]['value'][1])" 2>/dev/null || true)
  [ "$up" = 3 ] && break || sleep 0.5
done
[ "$up" = 3 ] || fail "Prometheus sees $up nodes"
say "Prometheus sees three nodes"
log=$(curl -s --max-time 5 -H "Authorization: Bearer $token" "http://127.0.0.1:8800/api/v1/workers/test01/0/log"; curl -s --max-time 5 -H "Authorization: Bearer $token" "http://127.0.0.1:8801/api/v1/workers/test01/0/log")
[ "$(grep -c 'test01 begins' <<<"$log")" -ge 2 ] || fail "the log of test01#0 from two nodes: $log"
say "a worker's log is there from two nodes"

victim=$("${compose[@]}" ps -q node3)
docker kill "$victim" >/dev/null
await "node3's container killed: its work runs elsewhere" 40 "len(run)==4 and 'node3' not in on"
docker start "$victim" >/dev/null
await "node3 is back and works" 40 "len(run)==4 and 'node3' in on"

net="${COMPOSE_PROJECT_NAME}_default"
cut=$("${compose[@]}" ps -q node2)
docker network disconnect "$net" "$cut"
await "node2 cut off: its work runs elsewhere" 60 "len(run)==4 and 'node2' not in on"
docker logs "$cut" 2>&1 | grep -q '"worker stopped"\|test01 stops\|stopping' || docker logs "$cut" 2>&1 | tail -5
docker network connect --alias node2 "$net" "$cut"
await "node2 is back and works" 60 "len(run)==4 and 'node2' in on"

began=$SECONDS
"${compose[@]}" down --timeout 30 >"$work/down.log" 2>&1 || fail "down"
say "compose down in $((SECONDS - began)) s"
say "all is well"
