import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { problems } from './check.mjs'
import { assemble, files, menu } from './pages.mjs'

// folder returns a folder with files of these texts.
function folder(t, texts) {
  const root = mkdtempSync(join(tmpdir(), 'site-'))
  t.after(() => rmSync(root, { recursive: true }))
  for (const [name, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}

test('links that lead nowhere are found', (t) => {
  const root = folder(t, {
    'index.html': '<a href="a/b.html#place">x</a> <a href="/x/next/a/b.html#place"></a> <a href="#here"></a> <p id="here"> <a href="https://example.org/none">',
    'a/b.html': '<p id="place"> <a href="../index.html#there"></a> <a href="./c.html"></a> <img src="/x/next/d.svg"> <a href="/x/v1/"></a> <a href="../#here"></a>',
  })
  assert.deepEqual(problems(root, '/x/next/'), [
    'a/b.html leads to ../index.html#there: that page has no such place',
    'a/b.html leads to ./c.html, which does not exist',
    'a/b.html leads to /x/next/d.svg, which does not exist',
    'a/b.html leads to /x/v1/, which is outside this version',
  ])
})

const docs = {
  'index.md': '# x\n\n[A](a.md)\n\n## One\n\n| [B](b/b.md) | [A](a.md#x) ![no](c.md) |\n\n## None\n\n## Two\n\n[A](a.md) [In](internals/i.md) [web](https://example.org/c.md)\n',
  'a.md': '# Of `A`\n\ntext\n',
  'b/b.md': '# B\n',
  'internals/i.md': '# Inside\n',
  'images/p.svg': '<svg/>',
  'zh/a.md': '# 甲\n',
}

test('the index is the menu, and leads to every page but the internals', (t) => {
  const root = folder(t, docs)
  assert.deepEqual(menu(root, ''), {
    groups: [{ text: 'One', items: [{ text: 'B', link: '/b/b.md' }] }, { text: 'Two', items: [{ text: 'A', link: '/a.md' }] }],
    internals: [{ text: 'Inside', link: '/internals/i.md' }],
  })
  writeFileSync(join(root, 'b/lost.md'), '# Lost\n')
  assert.throws(() => menu(root, ''), /index.md does not lead to b\/lost.md/)
})

test('an English page stands in for one that is not translated', (t) => {
  const root = folder(t, docs)
  const to = join(root, 'out')
  const source = folder(t, docs)
  assert.deepEqual(assemble(source, to).sort(), ['zh/b/b.md', 'zh/index.md', 'zh/internals/i.md'])
  assert.equal(readFileSync(join(to, 'zh/a.md'), 'utf8'), '# 甲\n')
  assert.match(readFileSync(join(to, 'zh/b/b.md'), 'utf8'), /^# B\n\n::: info 本页尚无中文版/)
  assert.ok(files(to).includes('zh/images/p.svg'))
  assert.equal(menu(to, 'zh').groups[0].items[0].link, '/zh/b/b.md')
  writeFileSync(join(to, 'zh/index.md'), '[English](../index.md)\n\n## 一\n\n[甲](a.md) [乙](../b/b.md)\n')
  assert.deepEqual(menu(to, 'zh').groups, [{ text: '一', items: [{ text: '甲', link: '/zh/a.md' }, { text: '乙', link: '/zh/b/b.md' }] }])
})
