package zk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/coord"
)

// Access reports which identities may use the znodes below a key.
type Access struct {
	Znodes  int      // the number of znodes that were checked
	Open    []string // the keys of those that any client of ZooKeeper may use
	Foreign []string // the keys of those that other identities may use, or this one may not
	Kept    []string // the keys of those of both kinds whose ACL this identity may not change
	// Owners are the identities that may change the znodes of Kept, in order and each once: a user, or "scheme:id" of
	// another kind. The list may be incomplete or empty, since ZooKeeper shows the ACL of a znode only to identities
	// that may read it.
	Owners []string
}

// CheckAccess compares the ACLs of the znode of a key, and of all znodes below it, with the identity of a session of
// this package. A key that does not exist has no znodes. With an error it returns its findings so far.
func CheckAccess(ctx context.Context, session coord.Session, root string) (Access, error) {
	ss, err := withIdentity(session)
	if err != nil {
		return Access{}, err
	}
	var found Access
	err = ss.walk(ctx, root, func(key string) error { return ss.compare(ctx, key, &found) })
	return found, err
}

// SampleAccess is CheckAccess for the znode of a key, those directly below it, and at most rest others, which every call
// chooses at random. It reads no more of a large tree than of a small one, except for the names of the children of the
// znodes that it checks.
func SampleAccess(ctx context.Context, session coord.Session, root string, rest int) (Access, error) {
	ss, err := withIdentity(session)
	if err != nil {
		return Access{}, err
	}
	var found Access
	top, err := ss.children(ctx, root)
	for _, key := range append([]string{root}, top...) {
		if err == nil {
			err = ignore(ss.compare(ctx, key, &found), errSkip)
		}
	}
	if len(top) == 0 || err != nil {
		return found, err
	}
	below := map[string][]string{} // the children of the keys that were listed
	seen := map[string]bool{}
	for range rest { // ways down
		for key := top[rand.IntN(len(top))]; len(seen) < rest; {
			if _, listed := below[key]; !listed {
				below[key], err = ss.children(ctx, key)
				if err != nil {
					return found, err
				}
			}
			if len(below[key]) == 0 {
				break
			}
			key = below[key][rand.IntN(len(below[key]))]
			if seen[key] {
				continue
			}
			seen[key] = true
			if err := ignore(ss.compare(ctx, key, &found), errSkip); err != nil {
				return found, err
			}
		}
	}
	return found, nil
}

// compare records the access to a znode. It returns errSkip for a znode that only another identity may use.
func (ss *session) compare(ctx context.Context, key string, found *Access) error {
	acl, _, err := ss.acl(ctx, key)
	switch {
	case errors.Is(err, coord.ErrNotFound):
		return nil // it was deleted meanwhile
	case errors.Is(err, coord.ErrUnauthorized):
		found.Znodes++
		found.Foreign = append(found.Foreign, key)
		found.Kept = append(found.Kept, key)
		return errSkip
	case err != nil:
		return err
	}
	found.Znodes++
	if owners, kept := ss.owners(acl); kept {
		found.Kept = append(found.Kept, key)
		for _, owner := range owners {
			if at, seen := slices.BinarySearch(found.Owners, owner); !seen {
				found.Owners = slices.Insert(found.Owners, at, owner)
			}
		}
	}
	switch {
	case slices.ContainsFunc(acl, func(a zk.ACL) bool { return a.Scheme == "world" && a.Perms != 0 }):
		found.Open = append(found.Open, key)
	case !slices.Equal(acl, ss.store.acl):
		found.Foreign = append(found.Foreign, key)
	}
	return nil
}

// owners returns the identities that may change an ACL, and whether the identity of the session is not among them.
func (ss *session) owners(acl []zk.ACL) (names []string, kept bool) {
	for _, a := range acl {
		switch own := ss.store.acl[0]; {
		case a.Perms&zk.PermAdmin == 0:
			continue
		case a.Scheme == "world" || a.Scheme == own.Scheme && a.ID == own.ID:
			return nil, false
		case a.Scheme == own.Scheme: // user:hash
			user, _, _ := strings.Cut(a.ID, ":")
			names = append(names, user)
		default:
			names = append(names, a.Scheme+":"+a.ID)
		}
	}
	return names, true
}

// Protect restricts the znode of a key, and all below it, to the identity of a session of this package. It includes
// znodes that are created meanwhile without an identity, unless that never ends. It returns the number of znodes that it
// has changed. It skips znodes whose ACL it may not change, and names them in an error that matches
// [coord.ErrUnauthorized]. After an error the ACLs are safe, and another call completes the work.
func Protect(ctx context.Context, session coord.Session, root string) (changed int, err error) {
	ss, err := withIdentity(session)
	if err != nil {
		return 0, err
	}
	const passes = 5
	for range passes {
		before := changed
		var refused []string
		err := ss.walk(ctx, root, func(key string) error {
			did, err := ss.protect(ctx, key)
			if did {
				changed++
			}
			if errors.Is(err, coord.ErrUnauthorized) {
				refused = append(refused, key)
				return nil
			}
			return err
		})
		switch {
		case err != nil:
			return changed, err
		case changed == before:
			return changed, notChanged(refused)
		}
	}
	return changed, fmt.Errorf("znodes below %s are made open again and again: a node without username and password runs", root)
}

// notChanged names znodes whose ACL may not be changed, nil for none.
func notChanged(keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	const most = 20
	slices.Sort(keys)
	named := strings.Join(keys[:min(most, len(keys))], ", ")
	if more := len(keys) - most; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Errorf(
		"%w to change the ACL of %s: only the identity that has made them can, or ZooKeeper's super user",
		coord.ErrUnauthorized,
		named,
	)
}

// CheckCreate finds out whether a session of this package may create the znode of a key: it creates an ephemeral sibling
// of the first missing znode on the path, and deletes it. It creates nothing else. It returns the part of the path that
// exists, and an error that matches coord.ErrUnauthorized if the session may not create znodes there.
func CheckCreate(ctx context.Context, s coord.Session, key string) (above string, err error) {
	ss, ok := s.(*session)
	if !ok {
		return "", fmt.Errorf("check create: %w: not a session of ZooKeeper", coord.ErrInvalid)
	}
	above = path.Dir(ss.rooted(key))
	for ; above != "/"; above = path.Dir(above) {
		exists, err := read(ctx, ss, "look for", above, func() (bool, error) {
			exists, _, err := ss.conn.Exists(above)
			return exists, err
		})
		if err != nil {
			return above, err
		}
		if exists {
			break
		}
	}
	probe := path.Join(above, fmt.Sprintf("xconsumer-check-%016x", rand.Uint64()))
	_, err = read(ctx, ss, "create", probe, func() (string, error) {
		return ss.conn.Create(probe, []byte("{}"), zk.FlagEphemeral, ss.store.acl)
	})
	if err != nil && !errors.Is(err, coord.ErrExists) { // a lost answer
		return above, err
	}
	_ = ss.conn.Delete(probe, 0) // else it ends with the session
	return above, nil
}

func withIdentity(s coord.Session) (*session, error) {
	ss, ok := s.(*session)
	switch {
	case !ok:
		return nil, fmt.Errorf("access to znodes: %w: not a session of ZooKeeper", coord.ErrInvalid)
	case ss.store.cfg.Username == "":
		return nil, fmt.Errorf("access to znodes: %w: no username is configured", coord.ErrInvalid)
	}
	return ss, nil
}

// protect changes the ACL of a znode, at the version that was read.
func (ss *session) protect(ctx context.Context, key string) (changed bool, err error) {
	for {
		acl, version, err := ss.acl(ctx, key)
		switch {
		case errors.Is(err, coord.ErrNotFound) || err == nil && slices.Equal(acl, ss.store.acl):
			return changed, nil
		case err != nil:
			return changed, err
		}
		_, err = read(ctx, ss, "protect", key, func() (*zk.Stat, error) { return ss.conn.SetACL(ss.rooted(key), ss.store.acl, version) })
		switch {
		case errors.Is(err, coord.ErrVersion) || errors.Is(err, coord.ErrNotFound):
			continue // another client has changed it, this call has and the answer was lost, or the znode is gone
		case err != nil:
			return changed, err
		}
		changed = true
	}
}

// acl reads the ACL of a znode, and its version.
func (ss *session) acl(ctx context.Context, key string) (list []zk.ACL, version int32, err error) {
	list, err = read(ctx, ss, "get the ACL of", key, func() ([]zk.ACL, error) {
		acl, stat, err := ss.conn.GetACL(ss.rooted(key))
		if err == nil {
			version = stat.Aversion
		}
		return acl, err
	})
	return list, version, err
}

// errSkip makes a walk leave out the keys below a key.
var errSkip = errors.New("not below this")

// walk visits a key and all below it, parents first. It does not descend into a key that it cannot list.
func (ss *session) walk(ctx context.Context, root string, visit func(key string) error) error {
	for left := []string{root}; len(left) > 0; {
		key := left[len(left)-1]
		left = left[:len(left)-1]
		switch err := visit(key); {
		case errors.Is(err, errSkip):
			continue
		case err != nil:
			return err
		}
		below, err := ss.children(ctx, key)
		if err != nil {
			return err
		}
		left = append(left, below...)
	}
	return nil
}

// children lists the keys directly below a key. It returns none for a key that is gone, or that this identity may not list.
func (ss *session) children(ctx context.Context, key string) ([]string, error) {
	names, err := read(ctx, ss, "list", key, func() ([]string, error) {
		names, _, err := ss.conn.Children(ss.rooted(key))
		return names, err
	})
	if err != nil {
		return nil, ignore(ignore(err, coord.ErrNotFound), coord.ErrUnauthorized)
	}
	for i, name := range names {
		names[i] = key + "/" + name
	}
	return names, nil
}

// ignore returns nil for one kind of error.
func ignore(err, kind error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return err
}
