package help

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Chinese returns the Chinese text of a key, as Key and the table of them have it, "" for none.
func Chinese(key string) string { return chinese[key] }

// Keys returns the keys of all Chinese texts.
func Keys() []string { return slices.Collect(maps.Keys(chinese)) }

// isChinese reports whether the environment asks for Chinese.
func isChinese(getenv func(string) string) bool {
	return strings.HasPrefix(cmp.Or(getenv("LC_ALL"), getenv("LC_MESSAGES"), getenv("LANG")), "zh")
}

// translate puts the help of a command and of all below it into Chinese. A text without a translation stays as it is.
func translate(root *cobra.Command) {
	root.SetUsageFunc(inChinese.writeUsage)
	for _, g := range root.Groups() {
		g.Title = cmp.Or(chinese[":"+g.ID], g.Title)
	}
	Walk(root, func(c *cobra.Command) {
		name := Name(c)
		c.Short = cmp.Or(chinese[name], c.Short)
		c.Long = cmp.Or(chinese[name+":"], c.Long)
		c.Example = EachComment(c.Example, func(text string) string { return cmp.Or(chinese[text], text) })
		for _, f := range Flags(c) {
			key := Key(name, f.Name)
			_, values, _ := strings.Cut(f.Usage, ": ")
			f.Usage = cmp.Or(strings.ReplaceAll(chinese[key], "{}", values), f.Usage)
		}
	})
}

// Name returns the name of a command below the program: "leader step-down".
func Name(c *cobra.Command) string {
	_, name, _ := strings.Cut(c.CommandPath(), " ")
	return name
}

// Key returns the key of a flag in the table: one of its own, or that of all commands.
func Key(command, flag string) string {
	own := command + " --" + flag
	if _, has := chinese[own]; has {
		return own
	}
	return "--" + flag
}

// EachComment replaces the comments in an example.
func EachComment(example string, by func(text string) string) string {
	lines := strings.Split(example, "\n")
	for i, line := range lines {
		if command, comment, has := strings.Cut(line, " # "); has {
			lines[i] = command + " " + by("# "+comment)
		}
	}
	return strings.Join(lines, "\n")
}
