#!/bin/sh
# Fetches the browser libraries of the console again, as they are named here, with their licences, and writes down
# their checksums. Bare imports become relative ones, so that a strict content security policy needs no exception.
set -eu
out=$(cd "$(dirname "$0")/.." && pwd)/httpapi/internal/console/assets/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fetch() { # package, version, file in it, name here
	npm pack "$1@$2" --silent >/dev/null
	mkdir -p unpacked
	tar xzf ./*.tgz -C unpacked && rm ./*.tgz
	sed -e 's|from *"preact"|from"./preact.mjs"|g' \
		-e 's#from *"preact/hooks"#from"./hooks.mjs"#g' -e 's#from *"@preact/signals-core"#from"./signals-core.mjs"#g' \
		-e 's#//\# sourceMappingURL=.*$##' "unpacked/package/$3" >"$out/$4"
	cp unpacked/package/LICENSE "$out/$4.LICENSE"
	rm -rf unpacked
}
mkdir -p "$out"
fetch preact 11.2.0 dist/preact.mjs preact.mjs
fetch preact 11.2.0 hooks/dist/hooks.mjs hooks.mjs
fetch htm 3.1.1 dist/htm.mjs htm.mjs
fetch @preact/signals-core 1.14.5 dist/signals-core.mjs signals-core.mjs
fetch @preact/signals 2.11.4 dist/signals.mjs signals.mjs
fetch uplot 1.6.32 dist/uPlot.iife.min.js uplot.mjs
echo 'export default uPlot;' >>"$out/uplot.mjs"
fetch uplot 1.6.32 dist/uPlot.min.css uplot.css
rm "$out/uplot.css.LICENSE" # the same
tests="$out/../../../../test/console/testdata" # and what the tests check accessibility with
npm pack axe-core@4.14.1 --silent >/dev/null
tar xzf ./axe-core*.tgz package/axe.min.js package/LICENSE
mv package/axe.min.js "$tests/axe.min.js"
mv package/LICENSE "$tests/axe.min.js.LICENSE"
(cd "$tests" && sha256sum ./axe.min.js >SHA256SUMS)
cd "$out"
sha256sum ./*.mjs ./*.css >SHA256SUMS
