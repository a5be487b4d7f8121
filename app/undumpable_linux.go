package app

import "golang.org/x/sys/unix"

// keepSecrets makes what this process has in its environment and memory unreadable for other processes of its user,
// the programs that it runs among them: they may neither read it below /proc nor attach to it, and no core is dumped.
func keepSecrets() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) } // which never fails with this value
