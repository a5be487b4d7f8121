#!/bin/sh
# Builds the site of the documents, with what it installs where that is missing or out of date: build.mjs has the arguments.
set -eu
here=$(dirname "$0")
command -v node >/dev/null || { echo "The site needs Node 20 or newer: https://nodejs.org" >&2; exit 1; }
cmp -s "$here/package-lock.json" "$here/node_modules/.installed" || {
	(cd "$here" && npm ci --no-audit --no-fund --silent)
	cp "$here/package-lock.json" "$here/node_modules/.installed"
}
node --test --test-reporter=dot "$here/site.test.mjs"
exec node "$here/build.mjs" "$@"
