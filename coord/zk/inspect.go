package zk

import (
	"context"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Server is what a ZooKeeper server reports of itself; fields that it does not report are empty.
type Server struct {
	Address string
	Err     error         // the reason why it does not answer; nil if it does
	Silent  bool          // it does not allow srvr, or does not serve
	Said    string        // its answer, if that could not be used
	Version string        // as "3.9.5", without build information
	Old     error         // why the version is too old, nil if it is not
	Mode    string        // leader, follower, standalone, observer
	Tick    time.Duration // 0 if conf is not allowed
	Longer  error         // the reason why its tick time may be longer than the configured one, if it does not report its tick time
	Least   time.Duration // of a session timeout
	Most    time.Duration
}

var (
	modeLine  = regexp.MustCompile(`(?m)^Mode: (\S+)`)
	leastLine = regexp.MustCompile(`(?m)^minSessionTimeout=(\d+)`)
	mostLine  = regexp.MustCompile(`(?m)^maxSessionTimeout=(\d+)`)
)

// Inspect asks all servers at once about themselves, with the commands srvr and conf. Unlike ruok, these show whether a
// server has a quorum and serves. It returns within a few seconds, and within two if no server answers.
func (s *Store) Inspect(ctx context.Context) []Server {
	list := make([]Server, len(s.cfg.Servers))
	var asked sync.WaitGroup
	for i, address := range s.cfg.Servers {
		asked.Go(func() { list[i] = s.inspect(ctx, address) })
	}
	asked.Wait()
	return list
}

func (s *Store) inspect(ctx context.Context, address string) Server {
	server := Server{Address: address}
	answer, err := s.fourLetterWord(ctx, address, "srvr")
	server.Err = err
	if err != nil {
		return server
	}
	server.read(answer)
	if conf, err := s.fourLetterWord(ctx, address, "conf"); err == nil {
		server.Tick, server.Least, server.Most = millis(tickLine, conf), millis(leastLine, conf), millis(mostLine, conf)
	}
	if server.Tick == 0 {
		server.Least, err = s.leastTimeout(ctx, address)
		if err == nil {
			server.Longer = checkLeast(address, server.Least, s.cfg.TickTime)
		}
	}
	return server
}

func (s *Server) read(srvr string) {
	if m := versionLine.FindStringSubmatch(srvr); m != nil {
		s.Version = m[1]
	}
	if m := modeLine.FindStringSubmatch(srvr); m != nil {
		s.Mode = m[1]
	}
	s.Old = checkVersion(s.Address, srvr)
	if s.Version == "" || s.Mode == "" {
		s.Silent, s.Said = true, srvr
	}
}

func millis(line *regexp.Regexp, text string) time.Duration {
	m := line.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	ms, _ := strconv.Atoi(m[1])
	return time.Duration(ms) * time.Millisecond
}
