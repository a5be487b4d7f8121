package etcd

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Server is what an etcd server reports of itself.
type Server struct {
	Endpoint string
	Err      error  // why it does not answer, in words for people; nil if it does
	Version  string // as "3.6.9"
	Old      error  // why the version is refused, nil if it is not
	Leads    bool
	Serves   bool // it has a leader, so that there is a quorum
}

// inspectTimeout is how long a server may take to report its version.
const inspectTimeout = 2 * time.Second

// Inspect asks each server for its version and state. It fails if it cannot log in.
func (s *Store) Inspect(ctx context.Context) ([]Server, error) {
	client, _, err := s.connect(ctx)
	if err != nil {
		return nil, s.openError(ctx, err)
	}
	defer func() { _ = client.Close() }()
	list := make([]Server, len(s.cfg.Endpoints))
	var asked sync.WaitGroup
	for i, endpoint := range s.cfg.Endpoints {
		asked.Go(func() {
			attempt, cancel := context.WithTimeout(ctx, inspectTimeout)
			defer cancel()
			server := &list[i]
			server.Endpoint = endpoint
			status, err := client.Status(attempt, endpoint)
			if err != nil {
				asking, stop := context.WithTimeout(ctx, inspectTimeout)
				defer stop()
				server.Err = errors.New(unreached(asking, endpoint))
				return
			}
			server.Version, server.Old = status.Version, checkVersion(endpoint, status.Version)
			server.Serves, server.Leads = status.Leader != 0, status.Leader == status.Header.MemberId
		})
	}
	asked.Wait()
	return list, nil
}
