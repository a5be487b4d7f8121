// Builds the site of the documents: the newest release of each minor version, if its documents have an index, and "next",
// which is the tree as it is. Each version is in a folder of its own; the page above them leads to the newest release.
//
//   node build.mjs OUT [BASE [VERSION...]]
//
// OUT is the folder for the site, BASE the path below which it is served ("/" unless the site shares its host). With
// versions only those are built.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { problems } from './check.mjs'
import { assemble } from './pages.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const root = resolve(here, '../..')
const out = resolve(process.argv[2])
const base = process.argv[3] ?? '/'

const git = (...args) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] })

// lines returns what git prints, or nothing where this is not a clone.
function lines(...args) {
  try {
    return git(...args).split('\n').filter(Boolean)
  } catch {
    return []
  }
}

// releases returns the tags that get a version of the site, the newest first.
function releases() {
  const minors = new Set()
  return lines('tag', '--list', '--sort=-version:refname').filter((tag) => {
    const minor = tag.match(/^v\d+\.\d+(?=\.\d+$)/)?.[0]
    if (!minor || minors.has(minor) || lines('ls-tree', '--name-only', tag, 'docs/index.md').length === 0) return false
    return minors.add(minor)
  })
}

const named = process.argv.slice(4)
const versions = named.length > 0 ? named : [...releases(), 'next']

// tree returns the root of the repository at a version: its documents, and what they lead to.
function tree(version) {
  if (version === 'next') return root
  const folder = join(here, '.build/trees', version)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  execFileSync('tar', ['-x', '-C', folder], { input: execFileSync('git', ['-C', root, 'archive', version], { maxBuffer: 1 << 30 }) })
  return folder
}

// build writes the pages of a version.
function build(version) {
  const repository = tree(version)
  const fallbacks = assemble(join(repository, 'docs'), join(here, '.build/docs'))
  const site = { version, versions, base, repository, fallbacks, out: join(out, version) }
  const vitepress = join(here, 'node_modules/vitepress/bin/vitepress.js')
  const done = spawnSync(process.execPath, [vitepress, 'build', here], { stdio: 'inherit', env: { ...process.env, SITE: JSON.stringify(site) } })
  if (done.status !== 0) {
    console.error(`The pages of ${version} were not built.`)
    process.exit(1)
  }
  return problems(site.out, `${base}${version}/`)
}

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
const found = versions.flatMap(build)
const first = `${versions[0]}/index.html`
writeFileSync(join(out, 'index.html'), `<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=${first}">
<title>xconsumer</title>
<a href="${first}">xconsumer</a>
`)
for (const problem of found) console.error(problem)
if (found.length > 0) process.exit(1)
console.log(`The site is in ${out}: ${versions.join(', ')}. To read it: python3 -m http.server -d ${out}`)
