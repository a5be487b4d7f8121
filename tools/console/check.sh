#!/bin/sh
# Checks the types of the console's modules, which their comments declare. It checks a copy in which the libraries have
# the names under which their types are found, and reports the lines of the original.
set -eu
cd "$(dirname "$0")"
[ -x node_modules/.bin/tsc ] || npm ci --no-audit --no-fund --silent
rm -rf check
mkdir check
cp -R ../../httpapi/internal/console/assets ../../httpapi/internal/console/types.d.ts check/
rm -r check/assets/vendor
find check/assets -name '*.js' -exec sed -i \
	-e 's#"[./]*/vendor/preact\.mjs"#"preact"#' -e 's#"[./]*/vendor/hooks\.mjs"#"preact/hooks"#' -e 's#"[./]*/vendor/htm\.mjs"#"htm"#' \
	-e 's#"[./]*/vendor/signals\.mjs"#"@preact/signals"#' -e 's#"[./]*/vendor/uplot\.mjs"#"uplot"#' {} +
status=0
node_modules/.bin/tsc -p . >check/out || status=$?
sed 's#^check/#httpapi/internal/console/#' check/out
rm -rf check
exit $status
