// The pages of a version: where they are, in which order, and what stands in for those that are not translated.
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

const untranslated = '::: info 本页尚无中文版，以下为英文原文。\n:::\n'

// files returns the paths of all files below a folder, relative to it.
export function files(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
}

// assemble copies the documents to a folder and adds to its Chinese half what only the English one has, so that every
// link and the switch of languages lead to a page. It returns the pages that it added.
export function assemble(docs, to) {
  rmSync(to, { recursive: true, force: true })
  mkdirSync(to, { recursive: true })
  cpSync(docs, to, { recursive: true })
  const fallbacks = []
  for (const name of files(to).filter((name) => !name.startsWith('zh/') && !name.startsWith('images/zh/'))) {
    const other = join(to, 'zh', name)
    if (existsSync(other)) continue
    mkdirSync(dirname(other), { recursive: true })
    if (!name.endsWith('.md')) {
      cpSync(join(to, name), other)
      continue
    }
    const text = readFileSync(join(to, name), 'utf8')
    writeFileSync(other, name === 'index.md' ? text : text.replace(/^(# .*\n)/m, `$1\n${untranslated}`))
    fallbacks.push(`zh/${name}`)
  }
  return fallbacks
}

// title returns the heading of a page.
const title = (file) => readFileSync(file, 'utf8').match(/^# (.*)$/m)?.[1].replaceAll('`', '') ?? file

// menu reads the order of the pages from the index of a language: a group for each heading, with the pages that the index
// links below it. It fails for pages that no index leads to, but for the internals, which it returns apart.
export function menu(docs, language) {
  const folder = join(docs, language)
  const path = (page) => '/' + join(language, page)
  const groups = []
  const missing = new Set(files(folder).filter((name) => name.endsWith('.md') && name !== 'index.md' && !/^(zh|internals)\//.test(name)))
  for (const line of readFileSync(join(folder, 'index.md'), 'utf8').split('\n')) {
    const heading = line.match(/^## (.*)$/)
    if (heading) groups.push({ text: heading[1], items: [] })
    for (const [, text, link] of line.matchAll(/(?<!!)\[([^\]]+)\]\(([^):#]+\.md)\)/g)) {
      const page = language ? link.replace(/^\.\.\//, '') : link // what is not translated has its place in the menu, too
      if (groups.length === 0 || !missing.delete(page)) continue
      groups.at(-1).items.push({ text, link: path(page) })
    }
  }
  if (missing.size > 0) throw new Error(`${join(language, 'index.md')} does not lead to ${[...missing].join(', ')}`)
  const internals = readdirSync(join(folder, 'internals')).filter((name) => name.endsWith('.md')).sort()
    .map((name) => ({ text: title(join(folder, 'internals', name)), link: path(`internals/${name}`) }))
  return { groups: groups.filter((group) => group.items.length > 0), internals }
}
