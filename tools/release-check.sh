#!/usr/bin/env bash
# Builds what a release has from the last commit, and tries each part on a clean root: install, run, upgrade, remove. What
# cannot be tried on this machine is named with the reason; RELEASE=required fails for it, too. VERSION (v1.2.3) names the
# release: the tag of the last commit, or v0.0.0-check. DIST is a directory that gets what was built.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
module=gitee.com/ken.yang/xconsumer
tag=${VERSION:-$(git describe --tags --exact-match 2>/dev/null || echo v0.0.0-check)}
version=${tag#v}
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
tree=$work/tree proxy=$work/proxy
arch=$(go env GOHOSTARCH)
root_user=() # a prefix for what only root may do
[ "$(id -u)" = 0 ] || root_user=(unshare --map-root-user)

missing() { # reason: ends a part that cannot be tried here
  echo "$1" >"$work/missing"
  exit 77
}

failed=0 untried=0
part() { # name, function: runs one part, and says how it went
  local code=0
  : >"$work/note"
  set +e
  (set -e; "$2") >"$work/log" 2>&1
  code=$?
  set -e
  case $code in
    0) printf 'ok         %s%s\n' "$1" "$(cat "$work/note")" ;;
    77) printf 'NOT TRIED  %s: %s\n' "$1" "$(cat "$work/missing")"; untried=$((untried + 1)) ;;
    *) printf 'FAILED     %s:\n' "$1"; tail -40 "$work/log" | sed 's/^/           /'; failed=$((failed + 1)) ;;
  esac
}

expect() { # what, text, pattern: fails unless the text has the pattern
  grep -qE -e "$3" <<<"$2" || { echo "$1 has no '$3':"; echo "$2"; return 1; }
}

# The last commit, in a repository of its own with one tag. What is not committed is not in it.
checkout() {
  git clone -q --no-hardlinks "$root" "$tree"
  cd "$tree"
  git tag | xargs -r git tag -d >/dev/null
  git tag "$tag"
}

# The archives, the packages and the chart, in dist.
build() {
  cd "$tree"
  local skip=()
  command -v syft >/dev/null || skip=(--skip=sbom)
  SNAPSHOT=$version go tool -modfile="$root/tools/goreleaser/go.mod" goreleaser release --snapshot --clean --parallelism "$(nproc)" "${skip[@]}"
  mv dist-chart/*.tgz dist/
}

# Two builds for each of three systems, two kinds of package, the source, and the chart; the checksums name each of them.
contents() {
  cd "$tree/dist"
  local os file
  for file in linux_{amd64,arm64}.{tar.gz,deb,rpm} darwin_{amd64,arm64}.tar.gz windows_{amd64,arm64}.zip; do
    [ -s "xconsumer_${version}_$file" ] || { echo "xconsumer_${version}_$file is missing"; ls; return 1; }
  done
  sha256sum --check --strict checksums.txt
  for file in *.tar.gz *.zip *.deb *.rpm *.tgz; do
    grep -q "  $file\$" checksums.txt || { echo "checksums.txt does not name $file"; return 1; }
  done
}

# started reports whether a file has what dev prints once all work runs.
started() { grep -qE '([1-9][0-9]*) of \1 workers running' "$1" 2>/dev/null; }

# cluster starts a small cluster with a program and waits until its work runs, asks it how it is, and ends it with Ctrl-C.
# The program is a function that ends in exec: signals are for the program.
cluster() { # function
  local out=$work/dev.out pid server code=0
  set -m # else the background ignores Ctrl-C
  ("$1" dev --nodes 2 --http "127.0.0.1:$((20000 + RANDOM % 10000))") >"$out" 2>&1 &
  pid=$!
  set +m
  for _ in $(seq 300); do
    ! started "$out" && kill -0 "$pid" 2>/dev/null || break
    sleep 0.2
  done
  server=$(sed -nE 's/^ +n1 +(http[^ ]+).*/\1/p' "$out" | head -1)
  ("$1" status --server "$server") || code=$?
  kill -INT "$pid" || true
  wait "$pid" || code=$?
  cat "$out"
  started "$out" && [ "$code" = 0 ] || { echo "the cluster did not run and end: $code"; return 1; }
}

# try does what readers do first.
try() { # function
  expect version "$("$1" version)" "^xconsumer v?$version "
  cluster "$1"
}

# alone runs what was unpacked with an empty home and nothing in PATH.
alone() { cd "$work/archive" && exec env -i HOME="$work/home" PATH= ./xconsumer "$@"; }

archive() {
  mkdir -p "$work/archive" "$work/home"
  tar -xzf "$tree/dist/xconsumer_${version}_linux_$arch.tar.gz" -C "$work/archive"
  local file
  for file in LICENSE README.md CHANGELOG.md app.toml docs deploy dist-manual/man/{,zh_CN/}man1/xconsumer.1.gz; do
    [ -e "$work/archive/$file" ] || { echo "no $file"; return 1; }
  done
  try alone
  local init
  init=$(cd "$work/home" && GOPROXY=off GOFLAGS=-modcacherw GOMODCACHE=$work/none "$work/archive/xconsumer" init mail 2>&1) &&
    { echo "init succeeded with nothing to fetch modules from"; return 1; }
  expect init "$init" 'go mod vendor'
  rm -rf "$work/archive"
  ! readlink /proc/[0-9]*/exe 2>/dev/null | grep -q "^$work/archive/" || { echo "a process is left"; return 1; }
}

archives() { # of other systems: they are listed, not run
  local file
  command -v python3 >/dev/null || missing "no python3 to list zip files"
  for file in "$tree"/dist/xconsumer_*.{tar.gz,zip}; do
    case $file in
      *.zip) python3 -m zipfile -l "$file" >"$work/list" ;; # every line has more than the name
      *.tar.gz) tar -tzf "$file" >"$work/list" ;;
    esac
    grep -qE '^xconsumer(\.exe)?( |$)' "$work/list" || { echo "$file has no program"; return 1; }
  done
}

# base makes a root with a shell, as the packages' scripts need, and the directories of every system; nothing else.
base() { # directory
  mkdir -p "$1"/{bin,etc,proc,dev,tmp,root,usr/bin,var/log,var/lib/dpkg/{info,updates},var/lib/rpm}
  mkdir -p "$1"/usr/{lib/systemd/system,share/{man/{,zh_CN/}man1,bash-completion/completions,zsh/{site-functions,vendor-completions},fish/vendor_completions.d}}
  : >"$1/var/lib/dpkg/status"
  local file
  for file in $(ldd "$(readlink -f /bin/sh)" | grep -oE '/[^ ]+'); do install -D "$file" "$1$file"; done
  install "$(readlink -f /bin/sh)" "$1/bin/sh"
}

# inside runs a program of a root, with the machine's processes and devices and an empty environment.
inside() { # root, user, program...
  exec env -i "$(command -v unshare)" --mount ${root_user:+--map-root-user} "$(command -v bash)" -c '
    PATH=/usr/sbin:/usr/bin:/sbin:/bin
    for d in proc dev; do [ ! -d "$0/$d" ] || mount --rbind "/$d" "$0/$d"; done
    exec chroot --userspec="$1" "$0" "${@:2}"' "$@"
}
installed() { inside "$work/root" 0:0 /usr/bin/xconsumer "$@"; }

files() { (cd "$work/root" && find . -path ./var -prune -o -path ./proc -prune -o -path ./dev -prune -o -path ./tmp -prune -o -print | LC_ALL=C sort); }

# package installs, tries, upgrades and removes what a package manager does on a clean root.
package() { # how to install, how to upgrade, how to remove
  rm -rf "$work/root"
  base "$work/root"
  files >"$work/before"
  "$1"
  local file
  for file in usr/lib/systemd/system/xconsumer.service usr/share/man/man1/xconsumer.1.gz usr/share/bash-completion/completions/xconsumer; do
    [ -s "$work/root/$file" ] || { echo "no $file"; files; return 1; }
  done
  try installed
  (installed config check --config /etc/xconsumer/app.toml)
  echo '# mine' >>"$work/root/etc/xconsumer/app.toml"
  "$2"
  grep -q '^# mine$' "$work/root/etc/xconsumer/app.toml" || { echo "an upgrade replaced app.toml"; return 1; }
  "$3"
  files | grep -v -e '^./etc/xconsumer$' -e 'app.toml.rpmsave$' | LC_ALL=C comm -13 "$work/before" - >"$work/left" # a changed app.toml stays
  [ ! -s "$work/left" ] || { echo "removed, and left:"; cat "$work/left"; return 1; }
}

deb() {
  command -v dpkg >/dev/null || missing "no dpkg"
  "${root_user[@]}" true || missing "neither root nor user namespaces"
  package install_deb install_deb remove_deb
}
dpkg_root() { "${root_user[@]}" dpkg --root="$work/root" --log="$work/dpkg.log" --force-confold "$@"; }
install_deb() { dpkg_root --install "$tree/dist/xconsumer_${version}_linux_$arch.deb"; }
remove_deb() {
  dpkg_root --remove xconsumer
  [ -s "$work/root/etc/xconsumer/app.toml" ] || { echo "a removal took app.toml with it"; return 1; }
  dpkg_root --purge xconsumer
  [ ! -e "$work/root/etc/xconsumer" ] || { echo "a purge left /etc/xconsumer"; return 1; }
}

rpm_() {
  command -v rpm >/dev/null || missing "no rpm (apt-get install rpm)"
  "${root_user[@]}" true || missing "neither root nor user namespaces"
  package install_rpm upgrade_rpm remove_rpm
}
# Scripts need /bin/sh, which no package of this root has: its database is empty.
rpm_root() { "${root_user[@]}" rpm --root="$work/root" --dbpath=/var/lib/rpm --nodeps "$@"; }
install_rpm() { rpm_root --install "$tree/dist/xconsumer_${version}_linux_$arch.rpm"; }
upgrade_rpm() { rpm_root --upgrade --replacepkgs "$tree/dist/xconsumer_${version}_linux_$arch.rpm"; }
remove_rpm() { rpm_root --erase xconsumer; }

# image_root builds the program as the Dockerfile does, and runs it on a root that has what the image has.
image_root() {
  cd "$tree"
  local command from
  from=$(sed -n 's/^FROM golang:\([0-9.]*\).* AS build$/\1/p' Dockerfile)
  expect "go.mod, with the Dockerfile's golang:$from," "$(cat go.mod)" "^go $from(\.[0-9]+)?\$"
  command=$(sed -n 's/^RUN \(CGO_ENABLED=0 go build .*\)$/\1/p' Dockerfile)
  expect Dockerfile "$command" '-o /out/xconsumer '
  VERSION=$version bash -c "${command//\/out\/xconsumer/$work/image/xconsumer}"
  mkdir -p "$work"/image/{proc,dev,tmp,etc/xconsumer}
  chmod 1777 "$work/image/tmp"
  cp app.toml "$work/image/etc/xconsumer/"
  ! ldd "$work/image/xconsumer" 2>/dev/null || { echo "the program is not static"; return 1; }
  try imaged
}
imaged() { inside "$work/image" "$([ "$(id -u)" = 0 ] && echo 65532:65532 || echo 0:0)" /xconsumer "$@"; }

# image has an engine build the image from its Dockerfile and run it, without a network. Where the image that it is built in
# cannot be fetched, this machine's Go takes its place.
image() {
  local base code engine image=xconsumer-check:$version container=xconsumer-check-$$
  local as=(--network none --read-only --cap-drop ALL --tmpfs /tmp --ulimit nofile=1024 --ulimit nproc=1024)
  for engine in docker podman none; do
    "$engine" info >/dev/null 2>&1 && break
  done
  [ "$engine" != none ] || missing "no engine answers (apt-get install --no-install-recommends podman runc, or start docker)"
  base=$(sed -n 's/^FROM \(golang:[^ ]*\) AS build$/\1/p' "$tree/Dockerfile")
  trap "$engine rm -f $container; $engine rmi -f $image; [ ! -s '$work/note' ] || $engine rmi -f $base" EXIT
  "$engine" image inspect "$base" >/dev/null 2>&1 || timeout 120 "$engine" pull -q "docker.io/library/$base" || go_image "$engine" "$base"
  git clone -q "$tree" "$work/context"
  cd "$work/context"
  go mod vendor
  "$engine" build --network none --build-arg VERSION="$version" -t "$image" .
  expect version "$("$engine" run --rm "${as[@]}" "$image" version)" "^xconsumer $version "
  "$engine" run -d --name "$container" "${as[@]}" "$image" dev
  for _ in $(seq 300); do
    "$engine" logs "$container" >"$work/dev.out" 2>&1
    ! started "$work/dev.out" || break
    sleep 0.2
  done
  "$engine" exec "$container" /xconsumer status
  "$engine" exec "$container" /xconsumer healthcheck
  "$engine" stop -t 30 "$container"
  code=$("$engine" inspect -f '{{.State.ExitCode}}' "$container")
  started "$work/dev.out" && [ "$code" = 0 ] || { echo "the cluster did not run and end: $code"; cat "$work/dev.out"; return 1; }
}

# go_image makes an image with a shell, certificates and this machine's Go, under the name of another one.
go_image() { # engine, name
  local go=usr/local/go goroot
  goroot=$(go env GOROOT)
  base "$work/go"
  mkdir -p "$work/go/$go/bin" "$work/go/etc/ssl/certs"
  cp -r "$goroot"/{src,pkg,go.env,VERSION} "$work/go/$go/"
  (cd "$goroot/src" && CGO_ENABLED=0 go build -o "$work/go/$go/bin/go" cmd/go) # one that needs no libraries
  cp -L /etc/ssl/certs/ca-certificates.crt "$work/go/etc/ssl/certs/"
  tar -C "$work/go" -c . | "$1" import -c "ENV PATH=/$go/bin:/usr/bin:/bin" -c "ENV GOTOOLCHAIN=local" -c "ENV HOME=/root" - "$2"
  rm -rf "$work/go"
  echo ", in a stand-in for $2, which cannot be fetched" >"$work/note"
}

# go_install has Go fetch the module from a directory that is a proxy, and makes a project with the program.
go_install() {
  local dir=$proxy/$module/@v outside=() file
  mkdir -p "$dir"
  cd "$tree"
  while read -r file; do outside+=(":(exclude)${file%/go.mod}"); done < <(git ls-files '*/go.mod')
  git archive --format=zip --prefix="$module@$tag/" -o "$dir/$tag.zip" HEAD -- . "${outside[@]}"
  cp go.mod "$dir/$tag.mod"
  printf '{"Version":"%s","Time":"%s"}\n' "$tag" "$(TZ=UTC git log -1 --date=iso-strict-local --format=%cd | sed 's/+00:00/Z/')" >"$dir/$tag.info"
  echo "$tag" >"$dir/list"
  local cache
  cache=$(go env GOMODCACHE)/cache/download
  export GOPROXY="file://$proxy,file://$cache,$(go env GOPROXY)" GOSUMDB=off GOMODCACHE=$work/modules GOBIN=$work/gobin
  export CGO_ENABLED=0 GOFLAGS='-modcacherw -trimpath -tags=timetzdata' # as in a release: packages that are compiled already are not compiled again
  mkdir "$work/project" && cd "$work/project"
  go install "$module/cmd/xconsumer@$tag"
  expect version "$("$GOBIN/xconsumer" version)" "^xconsumer $tag "
  cluster fetched
  "$GOBIN/xconsumer" init 'My-Mailer 2'
  cd mymailer2
  expect go.mod "$(cat go.mod)" "^	?(require )?$module $tag\$"
  ! grep replace go.mod || return 1
  "$GOBIN/xconsumer" config check
  go test ./...
}

fetched() { exec "$GOBIN/xconsumer" "$@"; }

chart() { # deploy/check/chart has rendered it with the least of values; TestChart does so with many
  tar -tzf "$tree/dist/xconsumer-$version.tgz" >"$work/list" # not in a pipe: grep ends at the first match, and tar would fail
  grep -qx xconsumer/Chart.yaml "$work/list"
  if command -v helm >/dev/null; then helm lint "$tree/dist/xconsumer-$version.tgz"; fi
}

chart_installed() { missing "no Kubernetes cluster is made here"; }

bills() {
  command -v syft >/dev/null || missing "no syft"
  ls "$tree"/dist/*.sbom.json
}

echo "release $tag of $(git rev-parse --short HEAD)$([ -z "$(git status --porcelain)" ] || echo ", without what is not committed")"
part "checkout of the last commit" checkout
part "goreleaser: archives, packages, chart, checksums" build
[ "$failed" = 0 ] || exit 1
part "checksums: each file" contents
part "archive, linux/$arch: unpacked, run, removed" archive
part "archives of all systems: complete" archives
part "deb: installed, run, upgraded, removed, purged" deb
part "rpm: installed, run, upgraded, removed" rpm_
part "image: its program, built and run as its Dockerfile does" image_root
part "image: built and run by an engine" image
part "chart: packaged, rendered" chart
part "chart: installed" chart_installed
part "bills of materials" bills
part "go install, and a project of its own, from a proxy" go_install
if [ -n "${DIST:-}" ]; then mkdir -p "$DIST" && cp "$tree"/dist/{checksums.txt,*.tar.gz,*.zip,*.deb,*.rpm,*.tgz} "$DIST"; fi
echo "$failed failed, $untried not tried"
[ "$failed" = 0 ] || exit 1
[ "${RELEASE:-}" != required ] || [ "$untried" = 0 ]
