package terminal_test

import (
	"testing"

	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
)

// What could take over a terminal, or show text as what it is not, is replaced; all other text stays.
func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain\ttext\n中文 é 🙂":   "plain\ttext\n中文 é 🙂",
		"\x1b[31mred":           "\uFFFD[31mred",
		"bell\a nul\x00 cr\r":   "bell\uFFFD nul\uFFFD cr\uFFFD",
		"c1 \u009b31m":          "c1 \uFFFD31m",
		"txt.\u202Eexe":         "txt.\uFFFDexe",
		"\u2066isolated\u2069":  "\uFFFDisolated\uFFFD",
		"zero\u200Bwidth\uFEFF": "zero\uFFFDwidth\uFFFD",
		"one\u2028two\u2029":    "one\uFFFDtwo\uFFFD",
	} {
		if got := terminal.Printable(text); got != want {
			t.Errorf("%q: %q; want %q", text, got, want)
		}
	}
}
