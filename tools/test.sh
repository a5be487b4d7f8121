#!/usr/bin/env bash
# Runs `go test` with the arguments given, shows each package as it ends, and what failed; then where the time went: the ten
# slowest packages and tests. The first argument names the file under bin/ that keeps all that was printed, as JSON.
set -euo pipefail
name=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$root/bin"
events="$root/bin/$name.json"
sum="${GO:-go} tool -modfile=$root/tools/gotestsum/go.mod gotestsum"

code=0
$sum --format pkgname --format-icons text --format-hide-empty-pkg --hide-summary skipped --jsonfile "$events" -- "$@" || code=$?

# slowest prints the ten events of a kind that took longest: their seconds and their names.
slowest() {
  awk -v kind="$1" '
    function field(key) {
      if (!match($0, "\"" key "\":\"[^\"]*\"")) return ""
      return substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 5)
    }
    /"Action":"(pass|fail)"/ && match($0, /"Elapsed":[0-9.e-]+/) {
      elapsed = substr($0, RSTART + 10, RLENGTH - 10)
      test = field("Test")
      pkg = field("Package")
      sub("gitee.com/ken.yang/xconsumer/?", "./", pkg)
      if ((kind == "test") == (test != "") && test !~ "/") printf "%8.1f s  %s%s\n", elapsed, pkg, test == "" ? "" : " " test
    }' "$events" | sort -rn | awk 'NR <= 10'
}
echo "The slowest packages of $name:"
slowest package
echo "The slowest tests of $name:"
slowest test
exit "$code"
