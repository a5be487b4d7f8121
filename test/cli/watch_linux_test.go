package cli_test

import (
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
	"gitee.com/ken.yang/xconsumer/test/fleet"
	"gitee.com/ken.yang/xconsumer/test/pty"
)

const (
	otherScreen  = "\x1b[?1049h"
	normalScreen = "\x1b[?1049l"
)

// A watch on a terminal uses the alternate screen, and every way to end it restores the normal one with the last answer.
func TestWatchRestoresTerminal(t *testing.T) {
	url := apinode.Serve(t, apinode.New(cluster.State{Cluster: "demo"}), httpapi.Options{}).URL
	bin := fleet.Shipped(t)
	for name, end := range map[string]func(terminal pty.Terminal, watch *exec.Cmd) error{
		"Ctrl-C": func(terminal pty.Terminal, _ *exec.Cmd) error {
			_, err := terminal.Screen.WriteString("\x03")
			return err
		},
		"SIGTERM": func(_ pty.Terminal, watch *exec.Cmd) error { return watch.Process.Signal(syscall.SIGTERM) },
	} {
		for _, command := range [][]string{{"status"}, {"tree"}} {
			t.Run(command[0]+" "+name, func(t *testing.T) {
				terminal := pty.Open(t)
				watch := exec.CommandContext(t.Context(), bin, append(command, "--watch", "--server", url)...)
				watch.Stdin, watch.Stdout, watch.Stderr = terminal.File, terminal.File, terminal.File
				watch.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // the terminal sends it Ctrl-C
				if err := watch.Start(); err != nil {
					t.Fatal(err)
				}
				_ = terminal.Close() // so that the screen ends with the program
				screen := make(chan string)
				go func() {
					defer close(screen)
					buffer := make([]byte, 4096)
					for {
						n, err := terminal.Screen.Read(buffer)
						if n > 0 {
							screen <- string(buffer[:n])
						}
						if err != nil {
							return
						}
					}
				}()
				shown, ended := "", false
				for limit := time.After(time.Minute); ; {
					select {
					case text, more := <-screen:
						shown += text
						if !ended && strings.Contains(shown, "demo") {
							ended = true
							if err := end(terminal, watch); err != nil {
								t.Fatal(err)
							}
						}
						if more {
							continue
						}
					case <-limit:
						_ = watch.Process.Kill()
						t.Errorf("it does not end")
						_, _ = io.WriteString(io.Discard, <-screen)
					}
					break
				}
				_ = watch.Wait() // with an error: it was ended
				before, after, restored := strings.Cut(shown, normalScreen)
				if !strings.HasPrefix(before, otherScreen) || !restored || !strings.Contains(after, "demo") || strings.Contains(after, otherScreen) {
					t.Errorf("%q is written", shown)
				}
			})
		}
	}
}
