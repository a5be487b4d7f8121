package console_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	fleets "gitee.com/ken.yang/xconsumer/test/fleet"
)

// chromium finds the browser. CI has one; elsewhere the test says what is missing.
func chromium(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("the browser is of `make verify`")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "no browser: install chromium, as tools/deps.sh does"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// cluster3 starts a cluster of three nodes with these tasks, or those that come with the program, and returns the
// address of the first.
func cluster3(t *testing.T, tasks string, env ...string) string {
	t.Helper()
	return clusterOf(t, 3, tasks, env...)
}

// clusterOf starts a cluster of so many nodes.
func clusterOf(t *testing.T, nodes int, tasks string, env ...string) string {
	t.Helper()
	dir := t.TempDir()
	if tasks != "" {
		if err := os.WriteFile(filepath.Join(dir, "app.toml"), []byte(tasks), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return fleets.StartDev(t, dir, nodes, env...).Server
}

// browser opens a browser. Whatever the page complains of fails the test, but a network that is away.
func browser(t *testing.T) *page {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.Flag("lang", "en-US"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		cancel()
		stop()
	})
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800)); err != nil {
		t.Fatal(err)
	}
	p := &page{T: t, ctx: ctx, allowed: &atomic.Value{}}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("the page throws: %s: %+v", e.ExceptionDetails.Exception.Description, e.ExceptionDetails)
		case *runtime.EventConsoleAPICalled:
			if e.Type == "error" {
				t.Errorf("the page says: %s", e.Args[0].Value)
			}
		case *log.EventEntryAdded:
			what, provoked := p.allowed.Load().(string)
			provoked = provoked && strings.Contains(e.Entry.Text, what)
			if e.Entry.Level == "error" && !strings.Contains(e.Entry.Text, "net::ERR_") && !provoked {
				t.Errorf("the browser says: %s %s", e.Entry.Text, e.Entry.URL)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// page is a page that a test looks at.
type page struct {
	*testing.T
	ctx     context.Context
	allowed *atomic.Value // what the browser may complain of, as it is provoked
	quietly bool          // what is awaited is not logged
}

// in is the page in a part of a test.
func (p *page) in(t *testing.T) *page { return &page{T: t, ctx: p.ctx, allowed: p.allowed} }

func (p *page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.picture("failed")
		p.Fatal(err)
	}
}

// await waits until an expression is true in the page.
func (p *page) await(what, expression string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(50*time.Second))); err != nil {
		p.picture("failed")
		p.Fatalf("%s: %v", what, err)
	}
	if !p.quietly {
		p.Log(what)
	}
}

// value returns what an expression is in the page.
func value[T any](p *page, expression string) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return v
}

// later returns what a promise in the page comes to.
func later[T any](p *page, promise string) T {
	p.Helper()
	value[bool](p, `(window.answer = undefined, (`+promise+`).then((v) => { window.answer = { v }; }, (e) => { window.answer = { e: String(e) }; }), true)`)
	p.quietly = true
	p.await("the page answers", `window.answer !== undefined`)
	p.quietly = false
	if failure := value[string](p, `window.answer.e ?? ""`); failure != "" {
		p.Fatal(failure)
	}
	return value[T](p, `window.answer.v`)
}

// click clicks on the one element that a selector finds, once it is there and can be clicked.
func (p *page) click(selector string) {
	p.Helper()
	p.await("there is "+selector, fmt.Sprintf(`(() => { const e = document.querySelector(%q); return e !== null && !e.disabled })()`, selector))
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// enter puts a text into a field, or chooses a value, as people do.
func (p *page) enter(selector, text string) {
	p.Helper()
	p.await("there is "+selector, fmt.Sprintf(`document.querySelector(%q) !== null`, selector))
	value[bool](p, fmt.Sprintf(`(() => {
		const e = document.querySelector(%q), kind = e instanceof HTMLSelectElement ? HTMLSelectElement : e instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
		e.focus();
		Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(e, %q);
		e.dispatchEvent(new Event("input", { bubbles: true }));
		e.dispatchEvent(new Event("change", { bubbles: true }));
		return true;
	})()`, selector, text))
}

// open goes to a page of the console.
func (p *page) open(hash string) {
	p.Helper()
	value[bool](p, fmt.Sprintf(`(location.hash = %q, true)`, hash))
}

// says waits until an element holds a text.
func (p *page) says(selector, text string) {
	p.Helper()
	p.await(selector+" says "+text, fmt.Sprintf(`[...document.querySelectorAll(%q)].some((e) => e.textContent.includes(%q))`, selector, text))
}

// wide sets how wide the page is.
func (p *page) wide(width int64) {
	p.Helper()
	p.do(chromedp.EmulateViewport(width, 900))
}

// dark makes the system dark, or light.
func (p *page) dark(on bool) {
	p.Helper()
	scheme := map[bool]string{false: "light", true: "dark"}[on]
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
		p.Fatal(err)
	}
	p.await("it is "+scheme, fmt.Sprintf(`document.documentElement.dataset.theme === %q`, scheme))
}

// picture keeps what the page looks like.
func (p *page) picture(name string) {
	p.Helper()
	image, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.Log(err)
		return
	}
	if err := os.WriteFile(filepath.Join(p.ArtifactDir(), name+".png"), image, 0o644); err != nil && !errors.Is(err, fs.ErrExist) {
		p.Error(err)
	}
}
