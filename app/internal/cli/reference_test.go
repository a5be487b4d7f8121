package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/help"
)

// reference are the words of the command reference in one language.
type reference struct {
	file, lang string
	title      string
	intro      string
	flags      string // heading of a table
	codes      string // heading of the exit codes
	codesHead  string
	meaning    func(help.ExitCode) string
	below      string // introduces the commands below one
}

var references = []reference{
	{
		file: "docs/reference/cli.md", lang: "en_US.UTF-8", title: "Command line",
		intro: "This page is generated from the program: `xconsumer help COMMAND` prints the same.\n\n" +
			"Commands that ask a node find it by `--server` or `$XCONSUMER_SERVER`. Commands that print data take `-o`. Commands that\n" +
			"change something take `--yes`, and most of them `--dry-run` and `--wait`. `xconsumer completion` writes completions for\n" +
			"your shell. The help is in Chinese if `LC_ALL`, `LC_MESSAGES` or `LANG` begins with `zh`.",
		flags: "| Flag | Meaning | Default |", codes: "Exit codes", codesHead: "| Code | Meaning |",
		meaning: func(c help.ExitCode) string { return c.Meaning }, below: "Commands:",
	},
	{
		file: "docs/zh/reference/cli.md", lang: "zh_CN.UTF-8", title: "命令行",
		intro: "本页由程序生成：`xconsumer help COMMAND` 显示同样的内容。\n\n" +
			"询问节点的命令由 `--server` 或 `$XCONSUMER_SERVER` 找到节点。输出数据的命令都有 `-o`。进行更改的命令都有 `--yes`，其中大多数\n" +
			"还有 `--dry-run` 和 `--wait`。`xconsumer completion` 输出 shell 的补全脚本。如果 `LC_ALL`、`LC_MESSAGES` 或 `LANG` 以 `zh` 开头，\n" +
			"说明就是中文。",
		flags: "| 选项 | 含义 | 默认值 |", codes: "退出码", codesHead: "| 退出码 | 含义 |",
		meaning: func(c help.ExitCode) string { return c.Chinese }, below: "命令：",
	},
}

// The command reference is what the commands are. Look whether the Chinese texts still hold when the English ones change.
func TestReference(t *testing.T) {
	for _, r := range references {
		want := r.page(tree(map[string]string{"LANG": r.lang}))
		file := filepath.Join("..", "..", "..", filepath.FromSlash(r.file))
		if os.Getenv("UPDATE") != "" {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s differs from the commands (%v); look whether app/internal/help/chinese.go still holds, then run UPDATE=1 go test ./app/internal/cli -run TestReference", r.file, err)
		}
	}
}

func (r *reference) page(root *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n", r.title, r.intro)
	for _, g := range root.Groups() {
		fmt.Fprintf(&b, "\n## %s\n", strings.TrimRight(g.Title, ":："))
		for _, c := range root.Commands() {
			if c.GroupID == g.ID {
				help.Walk(c, func(c *cobra.Command) { r.command(&b, c) })
			}
		}
	}
	fmt.Fprintf(&b, "\n## %s\n\n%s\n|---|---|\n", r.codes, r.codesHead)
	for _, code := range help.ExitCodes() {
		fmt.Fprintf(&b, "| %d | %s |\n", code.Code, r.meaning(code))
	}
	return b.String()
}

// command writes what the help of a command has.
func (r *reference) command(b *strings.Builder, c *cobra.Command) {
	text := c.Long
	if text == "" {
		text = c.Short
	}
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n```text\n%s\n```\n\n```sh\n%s\n```\n", c.CommandPath(), text, c.UseLine(), unindented(c.Example))
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(b, "\n%s\n\n", r.below)
		for _, sub := range c.Commands() {
			fmt.Fprintf(b, "- [%s](#%s): %s\n", sub.CommandPath(), strings.ReplaceAll(sub.CommandPath(), " ", "-"), sub.Short)
		}
	}
	var rows strings.Builder
	for _, f := range help.Flags(c) {
		if f.Name == "help" {
			continue
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		standard := f.DefValue
		switch standard {
		case "", "false", "0", "[]", "0s":
			standard = ""
		default:
			standard = "`" + standard + "`"
		}
		fmt.Fprintf(&rows, "| %s | %s | %s |\n", name, strings.NewReplacer("|", "\\|", "<", "&lt;").Replace(f.Usage), standard)
	}
	if rows.Len() > 0 {
		fmt.Fprintf(b, "\n%s\n|---|---|---|\n%s", r.flags, &rows)
	}
}

func unindented(example string) string {
	lines := strings.Split(example, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}
