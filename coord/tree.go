package coord

import (
	"context"
	"errors"
)

// DeleteTree deletes a key, and before it all that is below it, one commit for each, at the versions that it reads. It returns
// how many records that were. What was written meanwhile is an error, and stays.
func DeleteTree(ctx context.Context, s Session, key string) (records int, err error) {
	entries, err := s.List(ctx, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	for _, e := range entries {
		below, err := DeleteTree(ctx, s, key+"/"+e.Name)
		if records += below; err != nil {
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
