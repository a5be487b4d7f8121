package coord

import (
	"context"
	"errors"
)

// DeleteTree deletes a key and everything below it, the lowest keys first. It makes one commit for each key, at the version
// that it has read, and returns the number of deleted records. It fails for a key that is written meanwhile, and leaves it
// and the keys above it.
func DeleteTree(ctx context.Context, s Session, key string) (records int, err error) {
	entries, err := s.List(ctx, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	for _, e := range entries {
		below, err := DeleteTree(ctx, s, key+"/"+e.Name)
		records += below
		if err != nil {
			return records, err
		}
	}
	r, err := s.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return records, nil
	}
	if err != nil {
		return records, err
	}
	if _, err := s.Commit(ctx, Delete(key, r.Version)); err != nil && !errors.Is(err, ErrNotFound) {
		return records, err
	}
	return records + 1, nil
}
