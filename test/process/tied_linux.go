package process

import "syscall"

// tie makes the kernel kill the process when the thread that starts it ends, which is that of Begin.
func tie(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
