#!/usr/bin/env bash
# Looks for known vulnerabilities in what people run and copy, by govulncheck. Its database is on the internet
# (https://vuln.go.dev, or where GOVULNDB points): where that is not reached, it says that nothing was checked, and fails
# only if VULN=required.
set -euo pipefail
cd "$(dirname "$0")/.."
version=v1.9.0
database=${GOVULNDB:-https://vuln.go.dev}

unchecked() {
  echo "vulnerabilities: NOT CHECKED: $1" >&2
  [ "${VULN:-}" != required ] || exit 1
  exit 0
}

case $database in
  http*) curl -fsS --max-time 20 -o /dev/null "$database/index/db.json" 2>/dev/null || unchecked "the database at $database is not reached" ;;
esac
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
GOBIN=$bin GOFLAGS=-mod=mod go install "golang.org/x/vuln/cmd/govulncheck@$version" || unchecked "govulncheck $version cannot be installed"
failed=0
for module in . examples deploy/check; do # bench is for measuring, and some of it is built with its tests alone
  echo "vulnerabilities: $module"
  (cd "$module" && "$bin/govulncheck" -db "$database" ./...) || failed=1
done
exit $failed
