package cli

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/help"
)

// tree returns the command with all others, in the language of an environment.
func tree(env map[string]string) *cobra.Command {
	return New(Program{}, Streams{Out: io.Discard, Err: io.Discard, Getenv: func(name string) string { return env[name] }})
}

// Every command, flag, group and comment of the help has a Chinese text, and no Chinese text is left over.
func TestChineseIsComplete(t *testing.T) {
	root := tree(nil)
	used := map[string]bool{}
	look := func(key, of string) {
		used[key] = true
		if help.Chinese(key) == "" {
			t.Errorf("%q (%s) has no Chinese text", key, of)
		}
	}
	for _, g := range root.Groups() {
		look(":"+g.ID, g.Title)
	}
	english := map[string]string{} // of the flags that have one Chinese text for all commands
	help.Walk(root, func(c *cobra.Command) {
		name := help.Name(c)
		look(name, c.Short)
		if c.Long != "" {
			look(name+":", c.Long)
		}
		help.EachComment(c.Example, func(text string) string { look(text, c.Example); return text })
		for _, f := range help.Flags(c) {
			key, text := help.Key(name, f.Name), f.Usage
			look(key, text)
			if strings.Contains(help.Chinese(key), "{}") {
				text, _, _ = strings.Cut(text, ": ")
			}
			if before := english[key]; before != "" && before != text {
				t.Errorf("%s --%s is %q, and elsewhere %q: it needs a Chinese text of its own", name, f.Name, text, before)
			}
			english[key] = text
		}
	})
	for _, key := range help.Keys() {
		if !used[key] {
			t.Errorf("%q is of no command: %s", key, help.Chinese(key))
		}
	}
}

// The environment chooses the language of the help as that of other programs; errors are always English.
func TestLanguage(t *testing.T) {
	for _, c := range []struct {
		env     map[string]string
		chinese bool
	}{
		{map[string]string{"LANG": "zh_CN.UTF-8"}, true},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, true},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, false},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, false},
		{map[string]string{"LANG": "de_DE.UTF-8"}, false},
		{nil, false},
	} {
		for _, args := range [][]string{{"help", "scale"}, {"scale", "--help"}, {"--help"}, {"help"}} {
			var out bytes.Buffer
			root := New(Program{}, Streams{Out: &out, Err: &out, Getenv: func(name string) string { return c.env[name] }})
			root.SetArgs(args)
			if err := root.Execute(); err != nil || strings.Contains(out.String(), "用法：") != c.chinese || strings.Contains(out.String(), "Usage:") == c.chinese {
				t.Errorf("%v, %v: %v\n%s", c.env, args, err, &out)
			}
		}
		root := tree(c.env)
		root.SetArgs([]string{"scale", "test01"})
		if err := root.Execute(); err == nil || !strings.Contains(err.Error(), "xconsumer scale takes TASK N, got test01; see xconsumer scale --help") {
			t.Errorf("%v: %v", c.env, err)
		}
	}
}

var englishWord = regexp.MustCompile(`\b(?:the|and|of|to|is|for|that|with)\b`)

// A page in Chinese has no English sentence left.
func TestChineseHelp(t *testing.T) {
	help.Walk(tree(map[string]string{"LANG": "zh_CN.UTF-8"}), func(c *cobra.Command) {
		text := c.Long + "\n" + c.Short + "\n" + c.UsageString()
		for line := range strings.Lines(text) {
			chinese := strings.ContainsFunc(line, func(r rune) bool { return unicode.Is(unicode.Han, r) })
			if !chinese && !strings.HasPrefix(line, "  xconsumer") && englishWord.MatchString(line) {
				t.Errorf("%s: %q", c.CommandPath(), line)
			}
		}
	})
}
